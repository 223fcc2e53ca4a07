"""Comparison of models that were tested on the same videos: `paired` differences, `runs`."""
