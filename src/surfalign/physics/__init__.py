"""Pure functions of the physics."""
