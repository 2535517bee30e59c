"""Ionization potentials and electron affinities of oxide surfaces, computed and learned."""

from surfalign.moved_modules import install

__version__ = "0.1.0"

# Here, because whoever decodes a job on a cluster may import nothing else of surfalign first.
install()
del install
