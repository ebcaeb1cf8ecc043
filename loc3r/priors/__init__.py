"""Frozen pose priors behind one protocol: monocular frames in, one camera token a frame out."""
