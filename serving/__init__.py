"""The Triton model repository and the serving engine behind it."""
