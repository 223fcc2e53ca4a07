"""The dataset folder as specified in shards/README.md: schema, index, reader, writer."""
