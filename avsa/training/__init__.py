"""Training runs: the loop, its parts, and the files of a run."""
