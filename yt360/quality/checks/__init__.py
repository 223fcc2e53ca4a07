"""Quality checks, one a file; each gives a verdict with its numbers."""
