"""Pseudo-labels: panoptic segmentation of the whole sphere."""
