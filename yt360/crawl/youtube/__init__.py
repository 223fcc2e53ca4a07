"""The yt-dlp client, its options and formats."""
