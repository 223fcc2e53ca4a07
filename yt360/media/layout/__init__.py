"""Detect the ambisonic channels of an audio stream."""
