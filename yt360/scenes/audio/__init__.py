"""The sound field of a synthetic scene."""
