"""Reading and writing the tables of a catalog, one module a subject."""
