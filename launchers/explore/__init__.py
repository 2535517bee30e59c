"""Loops that choose, compute and learn."""
