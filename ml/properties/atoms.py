"""Atoms as records: a structure that begins with the atom which is meant.

So an atom is learned, split, calibrated, frozen and kept like a slab or a crystal, and only what describes a
structure looks at its first site alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import spglib
from numpy.typing import NDArray
from pymatgen.core import Structure

from surfalign.errors import MissingStructureError, MixedLevelsError
from surfalign.ml.data.datasets import element_symbol
from surfalign.ml.data.records import SurfaceRecord, surface_record
from surfalign.ml.descriptors.slab_geometry import WIDEST_GAP_OF_A_CRYSTAL, vacuum
from surfalign.ml.properties.declarations import Declarations
from surfalign.ml.properties.property import Level
from surfalign.ml.properties.rows import Row
from surfalign.physics.lattice.symmetry_search import ask_spglib

#: Atoms that lie on each other to this distance after a symmetry operation are equivalent, angstrom.
_SYMPREC = 0.01


def atom_records(name: str, structure: Structure, source: str) -> list[SurfaceRecord]:
    """Return a record for each atom of a structure, in their order, without labels.

    Parameters
    ----------
    name
        Of the structure; records are called e.g. ``NaCl atom 3 (Na)``, counted from 1.
    structure
        A crystal, or a slab with its vacuum.
    source
        Where it comes from.
    """
    return [
        surface_record(
            f"{name} atom {site + 1} ({element_symbol(structure[site])})",
            beginning_with(structure, site),
            source,
            level=Level.ATOM,
        )
        for site in range(len(structure))
    ]


def beginning_with(structure: Structure, site: int) -> Structure:
    """Return a structure whose first site is that of an index; the others follow in their order."""
    order = [site, *(k for k in range(len(structure)) if k != site)]
    return Structure.from_sites([structure[k] for k in order])


def atoms_of(row: Row) -> list[SurfaceRecord]:
    """Return a record for each atom of a row of a table, without labels.

    Raises
    ------
    MissingStructureError
        When the row has a formula alone.
    UnknownElementError
        When a site holds no single element.
    """
    return atom_records(row.name, own_structure(row), f"table:{row.name}")


def labelled_atoms(row: Row, declarations: Declarations) -> list[SurfaceRecord]:
    """Return the atoms of a row that have a number; equivalent ones with equal numbers count once.

    Raises
    ------
    LearnerError
        Of its kinds, with the row and the atom: as :func:`atoms_of`, when there are not as many numbers as atoms,
        when one is beyond its bounds, or in a unit of another kind.
    """
    atoms, structure = atoms_of(row), own_structure(row)
    kinds = _equivalent_sites(structure)
    found: dict[tuple[object, ...], SurfaceRecord] = {}
    for site, atom in enumerate(atoms):
        labels = []
        for declared in declarations.properties:
            values = row.numbers(declared.column, len(atoms))
            if values is not None and not np.isnan(values[site]):
                place, unit = f"atom {site + 1} of {row.place}", row.units.get(declared.column)
                number = float(values[site])
                labels.append(declared.label(number, unit, declarations.fidelity, place))
        # What differs where atoms are equivalent, such as opposite magnetic moments, is kept.
        key = (int(kinds[site]), *((label.name, f"{label.value:.4g}") for label in labels))
        if labels:
            found.setdefault(key, replace(atom, labels=tuple(labels)))
    return list(found.values())


def own_structure(row: Row) -> Structure:
    """Return the structure of a row, without which atoms have no place.

    Raises
    ------
    MissingStructureError
        When the row has a formula alone.
    """
    if row.structure is None:
        raise MissingStructureError(
            f"{row.place} has the formula {row.formula} alone",
            "a structure, for numbers of atoms follow its order",
            "give structures: JSON with pymatgen's dictionaries, or extXYZ",
        )
    return row.structure


def check_one_kind(rows: Sequence[Row], path: Path) -> None:
    """Refuse atoms of crystals beside those of slabs: potentials are against the vacuum in slabs alone.

    Raises
    ------
    MixedLevelsError
        When there are both.
    """
    structures = [own_structure(row) for row in rows]
    gaps = np.array([vacuum(one.frac_coords, one.lattice.matrix) for one in structures])
    n_slabs = int((gaps > WIDEST_GAP_OF_A_CRYSTAL).sum())
    if 0 < n_slabs < len(rows):
        raise MixedLevelsError(
            f"{path} holds atoms of {n_slabs} slabs and of {len(rows) - n_slabs} crystals",
            "atoms of slabs alone, or of crystals alone",
            "write a table for each, and train a model on each",
        )


def _equivalent_sites(structure: Structure) -> NDArray[np.int64]:
    """Return a number for each site that equivalent sites share, shape (n_sites,)."""
    cell = (
        structure.lattice.matrix.tolist(),
        structure.frac_coords.tolist(),
        structure.atomic_numbers,
    )
    found = ask_spglib(spglib.get_symmetry, cell, _SYMPREC)
    if found is None:
        return np.arange(len(structure))
    return np.asarray(found["equivalent_atoms"], dtype=np.int64)
