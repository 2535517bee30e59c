"""DFT engines, all alike outside.

Each gives the same makers; nothing outside knows their names.
"""
