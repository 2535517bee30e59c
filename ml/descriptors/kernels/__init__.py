"""Compiled loops over neighbours, components and atoms."""
