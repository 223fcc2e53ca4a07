"""Samples of training, computed again alone, and sheets that show them as the network sees them."""
