"""Which surface a slab shows."""
