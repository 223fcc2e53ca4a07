"""Datasets in buckets: built in a local workspace, published shard by shard."""
