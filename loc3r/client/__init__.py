"""The typed client of a Loc3R server: imports nothing heavy."""
