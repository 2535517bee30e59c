"""Ions, their potentials and their bonds."""
