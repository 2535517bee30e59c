"""The cluster through FireWorks."""
