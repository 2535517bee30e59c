"""Thousands of flows, kept track of."""
