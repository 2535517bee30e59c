"""DFT engines: each gives the same Makers; nothing outside knows their names."""
