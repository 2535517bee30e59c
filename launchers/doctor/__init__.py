"""Checks of installation and profile."""
