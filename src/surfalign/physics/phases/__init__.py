"""Surfaces in equilibrium with oxygen gas."""
