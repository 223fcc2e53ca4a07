"""What a catalog holds, for people."""
