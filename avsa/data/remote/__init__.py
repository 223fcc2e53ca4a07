"""Datasets in remote storage: shards are prefetched into a size-limited cache."""
