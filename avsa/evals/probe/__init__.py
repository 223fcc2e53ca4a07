"""Linear and k-nearest-neighbour probes: what frozen features say about synthetic scenes."""
