"""The command line.

One file a command; the table of them is in :mod:`.main`.
"""
