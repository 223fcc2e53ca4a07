"""Synthetic 360° scenes with known sources, sounds and segmentation."""
