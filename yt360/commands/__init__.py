"""The commands of yt360, one module each; every module offers a `command`."""
