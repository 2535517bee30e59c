"""Equilibrium shapes of crystals."""
