"""Pretext tasks and their losses."""
