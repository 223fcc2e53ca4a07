"""Searching: queries, filters, and the run that reads listings."""
