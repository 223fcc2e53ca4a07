"""Labelling the whole sphere: extraction of views, and fusion of their segmentations."""
