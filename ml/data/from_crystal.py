"""What of a crystal is predicted: its slabs as a calculation would compute them, but thinner; itself; or its atoms."""

from __future__ import annotations

from collections.abc import Sequence

from surfalign.crystals.crystal import Crystal
from surfalign.crystals.library import library
from surfalign.crystals.sources import library_crystal
from surfalign.errors import MixedLevelsError, SurfaceError, TerminationError
from surfalign.ml.data.candidate_surfaces import SLAB_THICKNESS, VACUUM_THICKNESS
from surfalign.ml.data.records import SurfaceRecord, surface_record
from surfalign.ml.properties.atoms import atom_records
from surfalign.ml.properties.property import Level
from surfalign.physics.lattice.orientations import MillerIndex, nonpolar_orientations
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.slabs.enumeration import enumerate_slabs


def crystal_surfaces(
    crystal: Crystal, miller_indices: Sequence[MillerIndex] = (), max_index: int = 1
) -> list[SurfaceRecord]:
    """Enumerate the nonpolar surfaces of a crystal.

    Parameters
    ----------
    crystal
        The bulk crystal.
    miller_indices
        Orientations; with none, all up to ``max_index``.
    max_index
        Largest Miller index.

    Raises
    ------
    SurfaceError
        When the crystal has no nonpolar surface, or a wanted orientation has none.
    """
    symmetric = symmetrize(crystal.structure)
    indices = list(miller_indices) or [
        orientation.miller_index for orientation in nonpolar_orientations(symmetric, max_index)
    ]
    found = []
    for index in indices:
        try:
            slabs = enumerate_slabs(
                symmetric,
                index,
                slab_thickness=SLAB_THICKNESS,
                vacuum_thickness=VACUUM_THICKNESS,
            )
        except TerminationError:
            if miller_indices:
                raise
            continue
        found += [
            surface_record(
                slab.name,
                slab.slab,
                crystal.source,
                miller_index=slab.miller_index,
                space_group_number=slab.space_group_number,
            )
            for slab in slabs
        ]
    if not found:
        raise SurfaceError(
            f"{crystal.formula} has no nonpolar surface up to index {max_index}",
            "an orientation with a nonpolar, stoichiometric slab",
            "look at `surfalign surfaces`, or raise the largest index",
        )
    return found


def structures_of(
    crystal: Crystal,
    level: Level,
    miller_indices: Sequence[MillerIndex] = (),
    max_index: int = 1,
) -> list[SurfaceRecord]:
    """Return what a model of a level predicts of a crystal: its surfaces, the crystal itself, or its atoms.

    Parameters
    ----------
    crystal, miller_indices, max_index
        As for :func:`crystal_surfaces`.
    level
        Whether the model predicts slabs, crystals or atoms.

    Raises
    ------
    MixedLevelsError
        When orientations are named for a model that predicts no slabs.
    SurfaceError
        As :func:`crystal_surfaces`.
    """
    if level is Level.SLAB:
        return crystal_surfaces(crystal, miller_indices, max_index)
    if miller_indices:
        raise MixedLevelsError(
            f"orientations are named, and the model predicts {level}s",
            "a model that predicts slabs, or no orientation",
            "leave --hkl out, or name another model",
        )
    if level is Level.ATOM:
        return atom_records(crystal.name, crystal.structure, crystal.source)
    return [surface_record(crystal.name, crystal.structure, crystal.source, level=level)]


def library_surfaces() -> list[SurfaceRecord]:
    """Return the cleavage planes that the library names of its oxides."""
    return [
        surface
        for entry in library().values()
        if entry.surface is not None and entry.anions == ("O",)
        for surface in crystal_surfaces(library_crystal(entry), [entry.surface])
    ]
