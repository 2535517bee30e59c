"""Relaxes slabs until levels hold."""
