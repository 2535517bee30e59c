"""Pure functions of the physics: potentials, alignment, surface energies, slabs."""
