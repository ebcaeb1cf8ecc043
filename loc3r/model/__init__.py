"""Loc3R-VLM: configuration, processor, modelling, losses and inference."""
