"""Ionization potentials and electron affinities of the surfaces of insulators, computed and learned.

The names below are the public interface; docs/reference/public.md shows each with an example. All else
may move from one version to the next.
"""

from importlib import import_module

from surfalign.moved_modules import install
from surfalign.version import __version__ as __version__

# Here, because whoever decodes a job on a cluster may import nothing else of surfalign first.
install()
del install

TYPE_CHECKING = False  # importing typing would take as long as all the rest
# For type checkers and editors only. This file stands below all folders: at run time it knows them as
# texts, which import-linter does not see, so that ``import surfalign`` loads nothing.
if TYPE_CHECKING:
    from surfalign.crystals.sources import load_crystal as load_crystal
    from surfalign.errors import SurfalignError as SurfalignError
    from surfalign.launchers.database.server import open_database as open_database
    from surfalign.launchers.local.notebook import find as find
    from surfalign.launchers.local.notebook import run_crystal as run_crystal
    from surfalign.ml.models.model_registry import ModelRegistry as ModelRegistry
    from surfalign.ml.models.prediction import predict as predict
    from surfalign.physics.lattice.orientations import (
        nonpolar_orientations as nonpolar_orientations,
    )
    from surfalign.physics.slabs.enumeration import enumerate_slabs as enumerate_slabs
    from surfalign.workflows.engines.engine import get_engine as get_engine

_PLACES = {
    "load_crystal": "surfalign.crystals.sources",
    "nonpolar_orientations": "surfalign.physics.lattice.orientations",
    "enumerate_slabs": "surfalign.physics.slabs.enumeration",
    "run_crystal": "surfalign.launchers.local.notebook",
    "get_engine": "surfalign.workflows.engines.engine",
    "open_database": "surfalign.launchers.database.server",
    "find": "surfalign.launchers.local.notebook",
    "predict": "surfalign.ml.models.prediction",
    "ModelRegistry": "surfalign.ml.models.model_registry",
    "SurfalignError": "surfalign.errors",
}
__all__ = [*_PLACES]


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module 'surfalign' has no attribute {name!r}")
    globals()[name] = getattr(import_module(_PLACES[name]), name)
    return globals()[name]


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
