"""What a file is, and its conversion to mono equirectangular video with ambiX sound."""
