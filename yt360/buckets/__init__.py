"""Writing to buckets (``s3://`` and what else fsspec knows): whole, verified, one writer."""
