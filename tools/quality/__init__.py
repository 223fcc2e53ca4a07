"""Labelled material that the project makes itself: what the thresholds are chosen and judged on."""
