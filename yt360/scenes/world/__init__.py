"""The content of a synthetic scene: objects, motion and place, sampled from parameters."""
