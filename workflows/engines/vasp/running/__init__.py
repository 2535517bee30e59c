"""VASP at work, under custodian."""
