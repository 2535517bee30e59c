"""CIF files that agree with themselves."""
