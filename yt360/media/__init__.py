"""Probing media files, and converting them to mono equirectangular video with ambiX audio."""
