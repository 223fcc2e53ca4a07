"""Kill long commands at random times; run by ``python -m kill``."""
