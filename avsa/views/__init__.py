"""Views of a clip: where they look, their crops and spectrograms, on the training device."""
