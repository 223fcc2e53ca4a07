"""Benchmarks: `__main__` times the data path; `catalog`, `inspect` and `labels` are separate."""
