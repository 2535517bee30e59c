"""Junctions of stored surfaces."""
