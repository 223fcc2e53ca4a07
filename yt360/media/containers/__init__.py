"""Container formats: boxes, tracks, and the metadata of 360° video and spatial audio."""
