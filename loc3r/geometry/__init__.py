"""Pure functions of arrays: headings, the bird's-eye frame, cameras and token cells. Imports numpy only."""
