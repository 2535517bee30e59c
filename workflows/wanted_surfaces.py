"""The flow of the surfaces that somebody asks for, by orientation or by name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from surfalign.crystals.crystal import Crystal
from surfalign.errors import ConfigurationError
from surfalign.physics.lattice.orientations import MillerIndex, parse_miller_index
from surfalign.physics.slabs.corrugation import is_corrugated
from surfalign.physics.slabs.oxygen import asks_for_oxygen, stoichiometric_name
from surfalign.workflows.engines.engine import Engine
from surfalign.workflows.flows import BandAlignmentMaker, named_surfaces
from surfalign.workflows.surface_jobs import describe_surfaces


def checked_maker(
    crystal: Crystal,
    engine: Engine,
    *,
    miller_indices: Sequence[MillerIndex] = (),
    max_index: int | None = None,
    surface_names: Sequence[str] | None = None,
    relax_slabs: bool = True,
    reuse: bool = True,
    oxygen: bool = False,
) -> BandAlignmentMaker:
    """Build the flow's maker and check, before anything is computed, that the surfaces exist.

    Parameters as for :class:`~.flows.BandAlignmentMaker`. Without orientations those in the names count,
    and without names the crystal's default orientation. With ``oxygen`` the reduced and oxidised forms of
    the surfaces are computed too.

    Raises
    ------
    ConfigurationError
        When a name is not that of a surface.
    PolarSurfaceError, TerminationError
        When the crystal has no such surface.
    """
    chosen = list(miller_indices)
    names = list(surface_names) if surface_names else None
    if names and not chosen and max_index is None:
        chosen = [_index_in_name(name) for name in names]
    elif not chosen and max_index is None and crystal.default_orientation is not None:
        chosen = [crystal.default_orientation]
    found = describe_surfaces(
        crystal.structure,
        source=crystal.source,
        miller_indices=chosen,
        max_index=max_index,
        slab_thickness=engine.slab_thickness,
        vacuum_thickness=engine.vacuum_thickness,
        oxygen=oxygen or any(map(asks_for_oxygen, names or ())),
        corrugated=any(map(is_corrugated, names or ())),
    )
    chosen_surfaces = named_surfaces(found, names)
    if oxygen:
        wanted = {stoichiometric_name(surface.name) for surface in chosen_surfaces}
        names = [one.name for one in found if stoichiometric_name(one.name) in wanted]
    return BandAlignmentMaker(
        engine=engine,
        miller_indices=chosen or None,
        max_index=max_index,
        surface_names=names,
        relax_slabs=relax_slabs,
        reuse=reuse,
    )


def _index_in_name(name: str) -> MillerIndex:
    """Return the orientation that the name of a surface, e.g. ``MgO(1-10)-A``, holds."""
    found = re.search(r"\(((?:-?\d){3}|-?\d+(?:,-?\d+){2})\)-[ABC]", name)
    if found is None:
        raise ConfigurationError(
            f"'{name}' is no name of a surface",
            "a name such as MgO(100)-A",
            "copy one from 'surfalign surfaces TARGET'",
        )
    return parse_miller_index(found.group(1))
