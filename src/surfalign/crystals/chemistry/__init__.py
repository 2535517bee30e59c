"""Anions, oxidation states, closed shells."""
