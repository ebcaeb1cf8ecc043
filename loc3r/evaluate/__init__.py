"""Scores with intervals beside trivial baselines, calibration, pictures and reports."""
