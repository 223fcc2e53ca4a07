"""Training runs: the loop, its parts, and what a run leaves on disk."""
