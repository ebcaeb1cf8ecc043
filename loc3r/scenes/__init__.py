"""The on-disk scene format, its readers and validator, and the prepared shards."""
