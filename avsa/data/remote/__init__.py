"""Datasets in remote storage: shards are fetched ahead of use into a limited cache."""
