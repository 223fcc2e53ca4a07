"""Runs that show what training learns, and how the published code compares."""
