"""Views of a clip: directions, crops and spectrograms, computed on the training device."""
