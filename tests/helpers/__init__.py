"""Fakes and paths that several tests share."""
