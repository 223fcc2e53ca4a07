"""The stored form of a clip: its format, encoders, seek indexes, and decoder."""
