"""Running work in processes of its own, so that a crash costs one task and not the run."""
