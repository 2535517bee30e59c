"""What VASP is asked for."""
