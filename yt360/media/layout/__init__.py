"""Which channels of an audio stream are ambisonics."""
