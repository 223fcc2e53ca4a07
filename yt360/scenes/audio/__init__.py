"""The audio of a synthetic scene."""
