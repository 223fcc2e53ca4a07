"""Generated labelled recordings, on which thresholds are chosen and evaluated."""
