"""Downloading sections of a video instead of the whole."""
