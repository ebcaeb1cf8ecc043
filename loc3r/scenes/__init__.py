"""The on-disk scene format, its readers and writer, its validation, videos, and prepared shards."""
