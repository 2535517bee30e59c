"""Two surfaces in contact."""
