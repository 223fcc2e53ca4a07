"""Trained models: loading, exporting, and importing published weights."""
