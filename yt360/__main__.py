"""``python -m yt360``."""

from yt360.cli import main

main()
