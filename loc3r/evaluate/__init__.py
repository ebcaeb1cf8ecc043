"""Scores with baselines and intervals, reports and bird's-eye pictures."""
