"""Annotation files of public benchmarks, read into one typed sample."""
