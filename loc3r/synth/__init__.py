"""Synthetic rooms: furniture, layout, rendering, situations and questions, in the public on-disk formats."""
