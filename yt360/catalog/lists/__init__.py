"""Lists of videos that enter and leave a catalog."""
