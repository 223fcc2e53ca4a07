"""Labelling the whole sphere: views cut out of it, and their answers fused on it."""
