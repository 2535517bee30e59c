"""Trained models, kept and renewed."""
