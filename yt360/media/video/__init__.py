"""Video of media files: projection, colors, and a few small frames for the quality checks."""
