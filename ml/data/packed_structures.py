"""Slabs as arrays: pymatgen's structures are made when they are asked for.

A site of pymatgen's takes 650 bytes, one of these arrays 25, so that tens of thousands of slabs fit in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element, Lattice, Structure

if TYPE_CHECKING:
    from surfalign.ml.data.records import SurfaceRecord

_element = lru_cache(maxsize=None)(Element.from_Z)


@dataclass(frozen=True)
class _Arrays:
    """One slab.

    Attributes
    ----------
    lattice
        Lattice vectors as rows (A), shape (3, 3).
    periodic
        Along which of them the slab repeats.
    numbers
        Atomic numbers, shape (n_sites,).
    coordinates
        Fractional, shape (n_sites, 3).
    """

    lattice: NDArray[np.float64]
    periodic: tuple[bool, bool, bool]
    numbers: NDArray[np.uint8]
    coordinates: NDArray[np.float64]

    @classmethod
    def of(cls, structure: Structure) -> Self:
        """Take a structure apart."""
        lattice = structure.lattice
        numbers = np.array(structure.atomic_numbers, dtype=np.uint8)
        # Copies, for what is given may be changed later.
        return cls(lattice.matrix.copy(), lattice.pbc, numbers, structure.frac_coords.copy())

    def structure(self) -> Structure:
        """Put the structure together again."""
        species = [_element(number) for number in self.numbers.tolist()]
        return Structure(Lattice(self.lattice, self.periodic), species, self.coordinates)


class PackedStructure:
    """A field of a dataclass that takes a structure, keeps its arrays, and gives an equal structure.

    What has more than elements on sites (charges, properties) is kept as it is. Labels of sites, which mean nothing
    here and are not compared, are not kept: those of supercells number the sites of an element.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        """Learn the name of the field."""
        self._key = f"_{name}"

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: object, owner: type) -> Structure: ...
    def __get__(self, record: object | None, owner: type) -> Self | Structure:
        """Return the structure; changing it does not change the record."""
        if record is None:
            raise AttributeError("the field has no default")
        kept = vars(record)[self._key]
        return kept.structure() if isinstance(kept, _Arrays) else kept

    def __set__(self, record: object, structure: Structure) -> None:
        """Keep a structure."""
        vars(record)[self._key] = _Arrays.of(structure) if _is_plain(structure) else structure


def _is_plain(structure: Any) -> bool:
    return (
        type(structure) is Structure
        # Files state a charge of zero.
        and not structure._charge
        and not structure.properties
        and all(
            len(site.species) == 1
            and type(site.species.elements[0]) is Element
            and site.is_ordered
            and not site.properties
            for site in structure
        )
    )


class StructuresOf(Sequence[Structure]):
    """The slabs of records, each made when it is asked for and not kept.

    Parameters
    ----------
    records
        Where the slabs are.
    """

    def __init__(self, records: Sequence[SurfaceRecord]) -> None:
        self.records = records

    def __len__(self) -> int:
        return len(self.records)

    @overload
    def __getitem__(self, index: int) -> Structure: ...
    @overload
    def __getitem__(self, index: slice) -> StructuresOf: ...
    def __getitem__(self, index: int | slice) -> Structure | StructuresOf:
        """Return one slab, or those of some of the records."""
        if isinstance(index, slice):
            return StructuresOf(self.records[index])
        return self.records[index].structure
