"""Compare what commands write on an engine with what one process writes."""
