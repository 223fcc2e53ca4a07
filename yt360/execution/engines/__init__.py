"""Engines beyond one machine, and the choice of one by its name on the command line."""
