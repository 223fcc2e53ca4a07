"""The frames of a synthetic scene."""
