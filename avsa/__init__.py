"""avsa: learn audio-visual representations from 360° video by spatial alignment."""

__version__ = "0.1.0"
