"""Flows on this machine."""
