"""Pages of screening, shapes and junctions."""
