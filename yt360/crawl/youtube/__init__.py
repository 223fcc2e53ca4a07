"""yt-dlp as this package uses it: client, formats, failures."""
