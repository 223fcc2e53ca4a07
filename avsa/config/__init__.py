"""The configuration of a run: a frozen, typed recipe."""
