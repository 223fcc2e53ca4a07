"""Signal processing that several quality checks share."""
