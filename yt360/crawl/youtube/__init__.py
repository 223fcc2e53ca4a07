"""yt-dlp as this package uses it: session, formats, failures."""
