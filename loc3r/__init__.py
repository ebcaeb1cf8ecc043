"""Loc3R: from a video of a room and a sentence to a place, a heading and an answer."""

__version__ = "0.1.0"
