"""Building a dataset: from media files to shards."""
