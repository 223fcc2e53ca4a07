"""yt360: find, download, check, cut, shard and label 360° videos with spatial audio."""

__version__ = "0.1.0"
