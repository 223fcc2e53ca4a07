"""What the page shows: the clips of a dataset, of a catalog, or of a folder of media files."""
