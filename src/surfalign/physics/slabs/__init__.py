"""Cuts, terminations, repairs, slabs."""
