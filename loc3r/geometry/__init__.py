"""The bird's-eye frame, headings, cameras and back-projection: pure functions of arrays."""
