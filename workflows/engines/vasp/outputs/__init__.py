"""What VASP has written."""
