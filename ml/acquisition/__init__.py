"""Which surfaces to compute next."""
