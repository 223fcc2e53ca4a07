"""The commands below ``avsa eval``, and ``avsa report``."""
