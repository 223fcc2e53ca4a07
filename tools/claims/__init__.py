"""The paper's claims, measured on synthetic scenes by training every variant with several seeds."""
