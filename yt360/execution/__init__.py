"""Run work in separate processes, so that a crash affects one task and not the whole run."""
