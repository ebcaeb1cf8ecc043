"""Scores the way each community scores: benchmarks with named profiles, checked against the original scripts."""
