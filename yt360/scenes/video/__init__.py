"""The video of a synthetic scene."""
