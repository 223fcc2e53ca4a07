"""Killing long commands at random moments; run by ``python -m kill``."""
