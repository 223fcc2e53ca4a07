"""Networks: encoders, translation networks, and the model that holds them."""
