"""CIF files: a file is believed only if what it says of itself agrees with what comes out of it."""
