"""Sets of labels on disk: their shards, and the maps and segments of a clip."""
