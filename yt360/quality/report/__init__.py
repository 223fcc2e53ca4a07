"""The report: one HTML page of inspected recordings, which needs no other file and no network."""
