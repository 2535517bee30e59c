"""Measured levels beside stored ones."""
