"""Reading and writing the tables of a catalog, one module per subject."""
