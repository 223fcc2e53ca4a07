"""Verifying a dataset."""
