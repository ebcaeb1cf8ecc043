"""Teach a model's small vision tower what things in rooms look like, frame by frame."""
