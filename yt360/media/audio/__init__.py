"""Audio of media files: reading by presentation time, and selecting the track of a video."""
