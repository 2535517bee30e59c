"""Data sets that others can use."""
