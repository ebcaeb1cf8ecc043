"""A model on a public benchmark: asked scene by scene on some ranks, resumed, scored, recorded."""
