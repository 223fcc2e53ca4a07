"""Probe media files, and convert them to monoscopic equirectangular video with ambiX audio."""
