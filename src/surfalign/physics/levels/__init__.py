"""From potentials to levels."""
