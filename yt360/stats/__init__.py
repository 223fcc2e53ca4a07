"""Statistics of a dataset or a catalog."""
