"""Output of the commands: text, progress, and escaping of untrusted text."""
