"""Datasets on a hub: pushed with cards and metadata, pulled with their checksums verified."""
