"""Benchmarks: `__main__` of the data path, and `catalog`, `inspect`, `labels` of their own."""
