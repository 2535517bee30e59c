"""Which surfaces to compute."""
