"""Training data and their sources."""
