"""Audio of media files: reading it at its true times, and choosing the track of a video."""
