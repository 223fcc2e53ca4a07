"""Downloading the videos of a catalog."""
