"""Weights of others, brought here after saying what, from where, how big and under which licence."""
