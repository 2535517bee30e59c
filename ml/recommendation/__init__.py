"""Compositions that nobody has listed."""
