"""The dataset folder: schema, writer, index and reader."""
