"""Reports and queries on a catalog."""
