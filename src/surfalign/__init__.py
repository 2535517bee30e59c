"""Ionization potentials and electron affinities of oxide surfaces, computed and learned."""

__version__ = "0.1.0"
