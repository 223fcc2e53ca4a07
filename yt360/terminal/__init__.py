"""Output of the commands: text, progress, and the one way to the terminal."""
