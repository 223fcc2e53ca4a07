"""A page to look at and listen to a dataset, and to curate it."""
