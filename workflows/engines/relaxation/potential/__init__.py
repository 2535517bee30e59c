"""Pretrained potentials that start a relaxation."""
