"""The steps from spectra to log-mels."""
