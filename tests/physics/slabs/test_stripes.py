"""Stripes take half of a layer, and what they disturb does not depend on how they are written."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from surfalign.physics.lattice.neighbours import CUTOFF
from surfalign.physics.lattice.oriented import orient
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.slabs.corrugation import StripePattern, stripe_patterns, supercell_cells
from surfalign.physics.slabs.disturbance import FAR, cut_sums, removal_sums
from surfalign.physics.slabs.stripes import (
    boundary_layer,
    doubling_wavevectors,
    stripes,
    supercell_of,
)
from surfalign.physics.slabs.terminations import Termination, find_terminations

MakeCrystal = Callable[[str], Structure]

#: Crystal, orientation and label of type C terminations.
POLAR = [
    ("perovskite", (1, 0, 0), "SrO/TiO2"),
    ("perovskite", (1, 0, 0), "TiO2/SrO"),
    ("perovskite", (1, 1, 0), "O2/SrTiO"),
    ("rocksalt", (1, 1, 1), "Mg/O"),
    ("zincblende", (1, 0, 0), "O/Be"),
    ("corundum", (0, 0, 1), "O3/Al"),
]


def termination(structure: Structure, index: tuple[int, int, int], label: str) -> Termination:
    found, _ = find_terminations(orient(symmetrize(structure), index))
    (wanted,) = [t for t in found if t.label == label]
    return wanted


@pytest.mark.parametrize(("name", "index", "label"), POLAR)
def test_every_stripe_is_of_neighbouring_rows_that_hold_half_of_each_element(
    crystal: MakeCrystal, name: str, index: tuple[int, int, int], label: str
) -> None:
    cut = termination(crystal(name), index, label)
    layer = boundary_layer(cut)
    assert layer.counts.tolist() == cut.plane.counts.tolist()
    elements = cut.oriented.crystal.species_counts[layer.sites]
    assert elements.sum(axis=0).tolist() == layer.counts.tolist()
    for wavevector in doubling_wavevectors(cut.oriented):
        found = stripes(cut.oriented, layer, wavevector)
        assert (np.diff(found.widths) < 1e-9).all()
        removed = found.removed(slice(None))
        assert len(removed) == len(found.widths)
        # All choices of neighbouring rows that take half of the 2 x 2 cell.
        half = 2 * layer.counts
        inside = [(found.rows == n).sum(axis=(1, 2)) for n in range(found.n_rows)]
        rows = np.array(inside) @ elements
        choices = {
            (start, length)
            for start, length in itertools.product(range(found.n_rows), range(1, found.n_rows))
            if (rows[(start + np.arange(length)) % found.n_rows].sum(axis=0) == half).all()
        }
        assert set(zip(found.starts.tolist(), found.lengths.tolist(), strict=True)) == choices
        for gone in removed:
            assert (elements * gone.sum(axis=(1, 2))[:, None]).sum(axis=0).tolist() == half.tolist()


@pytest.mark.parametrize(
    ("in_plane", "expected"),
    [
        (Lattice.tetragonal(4, 5), {(0.5, 0.0), (0.0, 0.5), (0.5, 0.5), (-0.5, 0.5)}),
        (Lattice.orthorhombic(4, 6, 5), {(0.5, 0.0), (0.0, 0.5), (0.5, 0.5), (-0.5, 0.5)}),
        (Lattice.hexagonal(4, 5), {(0.5, 0.0), (0.0, 0.5), (-0.5, 0.5)}),
    ],
)
def test_wavevectors_are_the_shortest_of_each_way_to_double_a_cell(
    in_plane: Lattice, expected: set[tuple[float, float]]
) -> None:
    oriented = orient(symmetrize(Structure(in_plane, ["Mg"], [[0, 0, 0]])), (0, 0, 1))
    found = doubling_wavevectors(oriented)
    assert sorted(tuple(np.abs(q)) for q in found) == sorted(tuple(np.abs(q)) for q in expected)
    for wavevector in found:
        cell = supercell_of(wavevector)
        assert round(np.linalg.det(cell)) == 2
        phases = cell @ np.array(wavevector)
        assert phases == pytest.approx(np.rint(phases))
    assert supercell_of((1.0, -1.0)).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("rows", [[[1, 0], [0, 1]], [[2, 0], [0, 1]], [[1, 1], [-1, 1]], [[2, 1], [-1, 2]]])  # fmt: skip
def test_a_supercell_has_one_cell_of_each_class(rows: list[list[int]]) -> None:
    supercell = np.array(rows)
    cells = supercell_cells(supercell)
    assert len(cells) == round(np.linalg.det(supercell))
    for first, second in itertools.combinations(cells, 2):
        steps = (first - second) @ np.linalg.inv(supercell)
        assert np.abs(steps - np.rint(steps)).max() > 1e-6


def test_a_cut_of_a_simple_cubic_lattice_breaks_one_bond_an_atom() -> None:
    # Polonium: below 4.5 angstrom an atom sees the one above it only, at 4.0, with 84 electrons.
    bulk = symmetrize(Structure(Lattice.cubic(4.0), ["Po"], [[0, 0, 0]]))
    (cut,), _ = find_terminations(orient(bulk, (1, 0, 0)))
    bond = 84**0.5 * (1 - (4.0 / CUTOFF) ** 2) ** 3
    assert cut_sums(cut) == pytest.approx([84**0.5 * bond**power for power in (1, 2, 3)])


def test_planes_beyond_the_reach_break_no_bond() -> None:
    bulk = symmetrize(Structure(Lattice.tetragonal(3.0, 5.0), ["Po"], [[0, 0, 0]]))
    (cut,), _ = find_terminations(orient(bulk, (0, 0, 1)))
    assert cut_sums(cut).tolist() == [0.0, 0.0, 0.0]


def patterns_of(crystal: MakeCrystal, number: int) -> tuple[Termination, list[StripePattern]]:
    name, index, label = POLAR[number]
    cut = termination(crystal(name), index, label)
    return cut, stripe_patterns(cut)


@pytest.mark.parametrize("number", range(len(POLAR)))
def test_the_least_disturbed_pattern_comes_first(crystal: MakeCrystal, number: int) -> None:
    cut, patterns = patterns_of(crystal, number)
    removed = np.array([pattern.removed for pattern in patterns])
    sums = removal_sums(cut, boundary_layer(cut), removed, CUTOFF)
    assert sums.shape == (len(patterns), 3)
    assert (np.diff(sums[:, 0]) > -2e-4).all()


@pytest.mark.parametrize("number", range(len(POLAR)))
def test_moving_the_stripes_by_a_cell_disturbs_as_much(crystal: MakeCrystal, number: int) -> None:
    cut, patterns = patterns_of(crystal, number)
    layer = boundary_layer(cut)
    for reach in (CUTOFF, FAR):
        removed = np.array([pattern.removed for pattern in patterns])
        known = removal_sums(cut, layer, removed, reach)
        for axes in ((2,), (3,), (2, 3)):
            moved = np.roll(removed, 1, axis=axes)
            assert removal_sums(cut, layer, moved, reach) == pytest.approx(known)


def test_what_rows_of_a_square_net_disturb_is_counted_by_hand(crystal: MakeCrystal) -> None:
    # TiO2 plane of SrTiO3, all atoms of one row gone: counted over pairs in a large piece of surface.
    cut, patterns = patterns_of(crystal, 1)
    layer, oriented = boundary_layer(cut), cut.oriented
    numbers = oriented.crystal.numbers
    lowest = float(layer.positions[:, 2].min())
    below, sites = oriented.column(lowest - 2.0, lowest - 1e-5)
    for pattern in patterns:
        totals = np.zeros(3)
        for cell in itertools.product((0, 1), repeat=2):
            kept = [
                (place, numbers[site])
                for place, site, gone in zip(layer.positions, layer.sites, pattern.removed, strict=True)
                if not gone[cell]
            ] + [(place, numbers[site]) for place, site in zip(below, sites, strict=True)]  # fmt: skip
            for place, charge in kept:
                seen = 0.0
                for step in itertools.product(range(-2, 3), repeat=2):
                    there = (np.array(cell) + step) % 2
                    for atom, site, gone in zip(layer.positions, layer.sites, pattern.removed, strict=True):  # fmt: skip
                        if gone[tuple(there)]:
                            apart = (atom + np.array([*step, 0]) - place) @ oriented.lattice
                            share = max(0.0, 1 - apart @ apart / CUTOFF**2) ** 3
                            seen += share * numbers[site] ** 0.5
                totals += charge**0.5 * seen ** np.array([1, 2, 3])
        found = removal_sums(cut, layer, pattern.removed[None], CUTOFF)[0]
        assert found == pytest.approx(np.log1p(totals / 4))
