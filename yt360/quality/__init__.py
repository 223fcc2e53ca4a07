"""Tests of a recording, one a file; each gives a verdict with its numbers."""
