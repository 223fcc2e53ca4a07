"""Linear and k-nearest-neighbour probes of frozen features on synthetic scenes."""
