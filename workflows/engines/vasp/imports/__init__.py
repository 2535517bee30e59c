"""Finished VASP calculations, taken in."""
