"""Reading clips in the order of training, and decoding them."""
