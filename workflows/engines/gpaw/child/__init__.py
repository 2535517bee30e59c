"""What runs inside GPAW's process."""
