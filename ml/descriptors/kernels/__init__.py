"""Compiled loops over neighbours and atoms."""
