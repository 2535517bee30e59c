"""Crystals without oxygen for benchmarks/surfaces.py: those of the library, and random ones of each crystal system.

A random crystal is a space-group type drawn from all 530 settings, a lattice of its crystal system, and one to
three orbits with coordinates drawn from simple fractions and at random; it is kept where the charges balance, no
two atoms are too near and spglib finds the crystal system that was meant. Nobody knows it, so nothing can be
tuned to it. Example::

    python benchmarks/random_crystals.py --crystals 60 --seed 7 --out random.json.gz
    python benchmarks/surfaces.py random.json.gz --crystals 60 --out random.jsonl
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import random
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import spglib
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure
from slab_generator import crystal_system

from surfalign.crystals.library import library
from surfalign.crystals.sources import library_crystal

SYSTEMS = (
    "triclinic",
    "monoclinic",
    "orthorhombic",
    "tetragonal",
    "trigonal",
    "hexagonal",
    "cubic",
)
CATIONS = {"Li": 1, "Na": 1, "K": 1, "Mg": 2, "Ca": 2, "Zn": 2, "Cd": 2, "Al": 3, "Ga": 3, "In": 3,
           "Y": 3, "Zr": 4, "Hf": 4}  # fmt: skip
ANIONS = {
    "N": -3,
    "P": -3,
    "As": -3,
    "S": -2,
    "Se": -2,
    "Te": -2,
    "F": -1,
    "Cl": -1,
    "Br": -1,
    "I": -1,
}
FRACTIONS = (0.0, 0.25, 1 / 3, 0.5, 2 / 3, 0.75)
#: Atoms in the conventional cell; volume of an atom, angstrom^3; shortest distance, angstrom.
MOST_ATOMS, VOLUME, SHORTEST = 24, 20.0, 1.7


def library_crystals() -> Iterator[dict[str, Any]]:
    """Yield the crystals of the library that hold no oxygen."""
    for name, entry in library().items():
        if "O" not in entry.anions:
            yield _record(name, library_crystal(entry).structure, entry.space_group_number)


def random_crystals(seed: int) -> Iterator[dict[str, Any]]:
    """Yield random crystals without end, one of each crystal system in turn."""
    chance = random.Random(seed)
    number = 0
    while True:
        for system in SYSTEMS:
            structure = None
            while structure is None:
                structure = _attempt(chance, system)
            number += 1
            yield _record(f"random-{seed}-{number}", structure, _space_group(structure))


def _attempt(chance: random.Random, system: str) -> Structure | None:
    """Draw a crystal; None where the draw is no crystal of this system."""
    hall = chance.choice(_settings(system))
    operations = spglib.get_symmetry_from_database(hall)
    lattice = _lattice(chance, system, spglib.get_spacegroup_type(hall).choice)
    orbits = [
        _orbit(operations, [chance.choice((*FRACTIONS, chance.random())) for _ in range(3)])
        for _ in range(chance.choice((2, 3, 3)))
    ]
    sizes = [len(orbit) for orbit in orbits]
    elements = _balanced(chance, sizes) if sum(sizes) <= MOST_ATOMS else None
    if elements is None:
        return None
    species = [element for element, n in zip(elements, sizes, strict=True) for _ in range(n)]
    structure = Structure(lattice, species, np.concatenate(orbits))
    structure.scale_lattice(VOLUME * len(species))
    distances = structure.distance_matrix + 1e3 * np.eye(len(structure))
    if distances.min() < SHORTEST or min(structure.lattice.abc) < SHORTEST:
        return None
    return structure if crystal_system(_space_group(structure)) == system else None


@cache
def _settings(system: str) -> list[int]:
    """Return the Hall numbers of a crystal system."""
    numbers = range(1, 531)
    return [h for h in numbers if crystal_system(spglib.get_spacegroup_type(h).number) == system]


def _balanced(chance: random.Random, sizes: list[int]) -> tuple[str, ...] | None:
    """Draw an element for each orbit such that the charges sum to zero; None where none do."""
    charges = CATIONS | ANIONS
    options = [
        elements
        for elements in itertools.product(CATIONS, ANIONS, *([charges] * (len(sizes) - 2)))
        if sum(charges[e] * n for e, n in zip(elements, sizes, strict=True)) == 0
    ]
    return chance.choice(options) if options else None


def _orbit(operations: dict[str, Any], place: list[float]) -> NDArray[np.float64]:
    """Return the distinct images of a place, fractional, shape (n, 3)."""
    images = (operations["rotations"] @ np.array(place) + operations["translations"]) % 1.0
    images[images > 1 - 1e-6] = 0.0
    return np.unique(np.round(images, 6), axis=0)


def _lattice(chance: random.Random, system: str, code: str) -> Lattice:
    """Draw a lattice of the system; only its shape counts."""
    a, b, c = (chance.uniform(4.0, 9.0) for _ in range(3))
    alpha, beta, gamma = (chance.uniform(75.0, 110.0) for _ in range(3))
    if system == "cubic":
        return Lattice.cubic(a)
    if system == "hexagonal" or (system == "trigonal" and code != "R"):
        return Lattice.hexagonal(a, c)
    if system == "trigonal":
        return Lattice.rhombohedral(a, alpha)
    if system == "tetragonal":
        return Lattice.tetragonal(a, c)
    if system == "orthorhombic":
        return Lattice.orthorhombic(a, b, c)
    if system == "monoclinic":
        # The unique axis of the setting stands first in its code: b, c or a.
        axis = "abc".index(code.strip("-")[0])
        angles = [90.0, 90.0, 90.0]
        angles[axis] = beta
        return Lattice.from_parameters(a, b, c, *angles)
    return Lattice.from_parameters(a, b, c, alpha, beta, gamma)


def _space_group(structure: Structure) -> int:
    cell = (structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers)
    dataset = spglib.get_symmetry_dataset(cell, symprec=0.01)
    return int(dataset.number) if dataset is not None else 1


def _record(name: str, structure: Structure, space_group: int) -> dict[str, Any]:
    return {
        "mp_id": name,
        "structure": structure.as_dict(),
        "nsites": len(structure),
        "space_group": space_group,
    }


def choose(number: int, seed: int) -> list[dict[str, Any]]:
    """Return crystals of the library and random ones, as many of each crystal system, half of each kind."""
    chance = random.Random(seed)
    known = list(library_crystals())
    chance.shuffle(known)
    drawn = random_crystals(seed)
    counts = dict.fromkeys(SYSTEMS, 0)
    chosen: list[dict[str, Any]] = []
    wanted = -(-number // len(SYSTEMS))
    for record in known:
        system = crystal_system(record["space_group"])
        if counts[system] < wanted // 2:
            counts[system] += 1
            chosen.append(record)
    while min(counts.values()) < wanted:
        record = next(drawn)
        system = crystal_system(record["space_group"])
        if counts[system] < wanted:
            counts[system] += 1
            chosen.append(record)
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--crystals", type=int, default=60)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("random.json.gz"))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with gzip.open(arguments.out, "wt") as stream:
        json.dump(choose(arguments.crystals, arguments.seed), stream)


if __name__ == "__main__":
    main()
