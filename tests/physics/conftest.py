"""Textbook crystals for the tests of surfaces; parameters rounded from the literature."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from pymatgen.core import Lattice, Structure

_HEXAGONAL, _CUBIC, _TETRAGONAL = Lattice.hexagonal, Lattice.cubic, Lattice.tetragonal

CRYSTALS: dict[str, tuple[int, Lattice, list[str], list[list[float]]]] = {
    "rocksalt": (225, _CUBIC(4.21), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    "rutile": (136, _TETRAGONAL(4.594, 2.959), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]]),
    "corundum": (167, _HEXAGONAL(4.76, 12.99), ["Al", "O"], [[0, 0, 0.352], [0.306, 0, 0.25]]),
    "wurtzite": (
        186, _HEXAGONAL(3.25, 5.2), ["Zn", "O"], [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.382]],
    ),
    "quartz": (
        154, _HEXAGONAL(4.91, 5.4), ["Si", "O"], [[0.47, 0, 2 / 3], [0.413, 0.266, 0.786]],
    ),
    "zincblende": (216, _CUBIC(3.81), ["Be", "O"], [[0, 0, 0], [0.25, 0.25, 0.25]]),
    "perovskite": (
        221, _CUBIC(3.905), ["Sr", "Ti", "O"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]],
    ),
    "spinel": (
        227, _CUBIC(8.08), ["Mg", "Al", "O"],
        [[0, 0, 0], [0.625, 0.625, 0.625], [0.3875, 0.3875, 0.3875]],
    ),
    "LaAlO3": (
        167, _HEXAGONAL(5.36, 13.11), ["La", "Al", "O"],
        [[0, 0, 0.25], [0, 0, 0], [0.475, 0, 0.25]],
    ),
    "BaZrO3": (
        221, _CUBIC(4.19), ["Ba", "Zr", "O"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]],
    ),
    "gallia": (
        12, Lattice.monoclinic(12.23, 3.04, 5.80, 103.7), ["Ga", "Ga", "O", "O", "O"],
        [[0.09, 0, 0.795], [0.341, 0, 0.686], [0.167, 0, 0.11], [0.496, 0, 0.256], [0.827, 0, 0.436]],
    ),
    "zirconia": (
        14, Lattice.monoclinic(5.15, 5.21, 5.32, 99.2), ["Zr", "O", "O"],
        [[0.275, 0.04, 0.208], [0.07, 0.332, 0.345], [0.45, 0.757, 0.479]],
    ),
}  # fmt: skip


@cache
def _made(name: str) -> Structure:
    return Structure.from_spacegroup(*CRYSTALS[name])


@pytest.fixture(scope="session")
def crystal() -> Callable[[str], Structure]:
    """Make the conventional cell of a textbook crystal by its name."""
    return lambda name: _made(name).copy()


@pytest.fixture(params=sorted(CRYSTALS))
def any_crystal(request: pytest.FixtureRequest) -> Structure:
    """Each textbook crystal in turn."""
    return _made(request.param).copy()
