"""Evaluations of trained encoders."""
