"""The commands of avsa, one module each; every module offers a `command`."""
