"""What a synthetic scene holds: objects, motion, place, and the draws that choose them."""
