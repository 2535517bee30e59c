"""Slabs: stoichiometric, symmetric, nonpolar, cut from the bulk and tied to it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import spglib
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from surfalign.errors import PolarSurfaceError, SurfaceError
from surfalign.physics.lattice.orientations import nonpolar_orientations
from surfalign.physics.lattice.oriented import orient
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.slabs.enumeration import (
    SurfaceSlab,
    enumerate_slabs,
    survey_orientation,
)
from surfalign.physics.slabs.terminations import find_terminations

MakeCrystal = Callable[[str], Structure]


def _all_slabs(structure: Structure, thickness: float = 9.0) -> list[SurfaceSlab]:
    crystal = symmetrize(structure)
    return [
        slab
        for orientation in nonpolar_orientations(crystal, 1)
        for slab in survey_orientation(
            crystal, orientation.miller_index, slab_thickness=thickness
        ).slabs
    ]


def _reversing_operations(structure: Structure) -> int:
    """Count operations of the slab, searched anew in the structure, that turn it upside down."""
    numbers = [site.specie.Z for site in structure]
    cell = (structure.lattice.matrix, structure.frac_coords, numbers)
    rotations = spglib.get_symmetry(cell, symprec=0.01)["rotations"]
    return sum(int(w[2, 2] == -1 and not w[2, :2].any()) for w in rotations)


def _shortest_distance(structure: Structure) -> float:
    repeated = structure * (2, 2, 2)
    return float((repeated.distance_matrix + 1e3 * np.eye(len(repeated))).min())


def test_every_slab_is_what_it_claims(any_crystal: Structure) -> None:
    shortest = _shortest_distance(any_crystal)
    for surface in _all_slabs(any_crystal):
        slab = surface.slab
        assert slab.composition.reduced_formula == any_crystal.composition.reduced_formula
        assert _reversing_operations(slab) >= 1, surface
        heights = slab.cart_coords[:, 2]
        assert np.ptp(heights) == pytest.approx(surface.slab_thickness)
        assert heights.mean() == pytest.approx(0.5 * slab.lattice.c)
        assert slab.lattice.c == pytest.approx(surface.slab_thickness + 15.0)
        assert slab.lattice.alpha == pytest.approx(90.0)
        assert slab.lattice.beta == pytest.approx(90.0)
        assert slab.lattice.a * slab.lattice.b * np.sin(
            np.radians(slab.lattice.gamma)
        ) == pytest.approx(surface.area)
        distances = slab.distance_matrix + 1e3 * np.eye(len(slab))
        assert distances.min() > shortest - 1e-3
        for site, index in zip(slab, slab.site_properties["bulk_site"], strict=True):
            assert any_crystal[index].specie == site.specie


def test_oriented_bulk_is_the_bulk_in_the_cell_of_the_slab(any_crystal: Structure) -> None:
    density = len(any_crystal) / any_crystal.volume
    for surface in _all_slabs(any_crystal)[::3]:
        bulk = surface.oriented_bulk
        assert bulk.lattice.matrix[:2] == pytest.approx(surface.slab.lattice.matrix[:2])
        assert len(bulk) / bulk.volume == pytest.approx(density)
        ratio = bulk.volume / surface.area / surface.bulk_repeat
        assert ratio == pytest.approx(round(ratio))
        found = symmetrize(bulk)
        assert found.space_group_number == surface.space_group_number
        assert len(found.numbers) == len(surface.crystal.numbers)


def test_magnesia_100_is_the_textbook_slab(crystal: MakeCrystal) -> None:
    (surface,) = enumerate_slabs(crystal("rocksalt"), (0, 0, 1), slab_thickness=8.0)
    assert surface.name == "MgO(100)-A"
    assert surface.bulk_repeat == pytest.approx(4.21 / 2)
    assert surface.slab_thickness == pytest.approx(2 * 4.21)  # five layers
    assert surface.slab.composition.formula == "Mg5 O5"
    assert surface.slab.lattice.abc[:2] == pytest.approx((4.21 / 2**0.5,) * 2)
    assert surface.area == pytest.approx(4.21**2 / 2)


def test_rutile_110_ends_in_bridging_oxygen(crystal: MakeCrystal) -> None:
    (surface,) = enumerate_slabs(crystal("rutile"), (1, 1, 0), slab_thickness=12.0)
    assert surface.name == "TiO2(110)-B-O/Ti2O2"
    slab = surface.slab
    a, c = 4.594, 2.959
    assert slab.lattice.abc[:2] == pytest.approx((c, a * 2**0.5))
    # O-Ti2O2-O trilayers: from the top, one bridging O, a plane of two Ti and two O, one O.
    top = sorted(slab, key=lambda site: -site.z)
    assert [site.species_string for site in top[:1]] == ["O"]
    assert sorted(site.species_string for site in top[1:5]) == ["O", "O", "Ti", "Ti"]
    assert top[5].species_string == "O"
    trilayer = a / 2**0.5
    assert (surface.slab_thickness - (top[0].z - top[5].z)) / trilayer == pytest.approx(3.0)


def test_corrugated_perovskite_lacks_half_of_both_outermost_planes(crystal: MakeCrystal) -> None:
    surfaces = enumerate_slabs(crystal("perovskite"), (1, 0, 0), slab_thickness=11.0)
    assert [s.termination_class for s in surfaces] == ["C"] * 4
    names = [s.name for s in surfaces]
    assert names == [
        "SrTiO3(100)-C-SrO/TiO2-1",
        "SrTiO3(100)-C-SrO/TiO2-2",
        "SrTiO3(100)-C-TiO2/SrO-1",
        "SrTiO3(100)-C-TiO2/SrO-2",
    ]
    for surface in surfaces:
        heights = np.round(surface.positions[:, 2], 3)
        for height in (heights.min(), heights.max()):
            outermost = Counter(
                site.species_string
                for site, z in zip(surface.slab, heights, strict=True)
                if z == height
            )
            halved = {"Sr": 1, "O": 1} if "SrO/" in surface.name else {"Ti": 1, "O": 2}
            assert outermost == halved
    # Rows along the cell edge, and a checkerboard: two ways to take every other atom of a square net.
    assert sorted(round(s.area / 3.905**2) for s in surfaces) == [2, 2, 2, 2]
    squares = [s for s in surfaces if np.ptp(s.slab.lattice.abc[:2]) < 1e-6]
    assert len(squares) == 2


@pytest.mark.parametrize(
    ("name", "miller_index"),
    [
        *[("perovskite", h) for h in [(1, 0, 0), (1, 1, 0), (1, 1, 1)]],
        *[("BaZrO3", h) for h in [(1, 0, 0), (1, 1, 0), (1, 1, 1)]],
        *[("spinel", h) for h in [(1, 0, 0), (1, 1, 0), (1, 1, 1)]],
        ("rocksalt", (1, 1, 1)),
        ("LaAlO3", (0, 1, 2)),
    ],
)
def test_polar_sequences_get_corrugated_slabs(
    crystal: MakeCrystal, name: str, miller_index: tuple[int, int, int]
) -> None:
    structure = crystal(name)
    surfaces = enumerate_slabs(structure, miller_index, slab_thickness=10.0)
    assert surfaces
    charges = {"Mg": 2, "Al": 3, "O": -2, "Sr": 2, "Ti": 4, "Ba": 2, "Zr": 4, "La": 3}
    for surface in surfaces:
        assert surface.termination_class == "C"
        slab = surface.slab
        charge = np.array([charges[site.species_string] for site in slab])
        assert charge.sum() == 0
        assert charge @ surface.positions[:, 2] == pytest.approx(0.0, abs=1e-6)
        assert _reversing_operations(slab) >= 1
    assert len({s.identifier for s in surfaces}) == len(surfaces)


@pytest.mark.parametrize("name", ["rocksalt", "rutile", "quartz", "perovskite"])
def test_one_repeat_more_is_the_same_surface(crystal: MakeCrystal, name: str) -> None:
    bulk = symmetrize(crystal(name))
    for orientation in nonpolar_orientations(bulk, 1):
        thin = survey_orientation(bulk, orientation.miller_index, slab_thickness=12.0).slabs
        for surface in thin:
            wanted = surface.slab_thickness + 0.5 * surface.bulk_repeat
            thick = survey_orientation(bulk, orientation.miller_index, slab_thickness=wanted).slabs
            (same,) = [s for s in thick if s.name == surface.name]
            repeats = (same.slab_thickness - surface.slab_thickness) / surface.bulk_repeat
            assert repeats == pytest.approx(round(repeats))
            assert 1 <= round(repeats) <= 2 * surface.termination.oriented.n_periods
            if surface.pattern is None:
                assert round(repeats) == 1
            # How the face looks does not depend on the thickness.
            assert _neighbours_in_the_face(same) == pytest.approx(_neighbours_in_the_face(surface))


def _neighbours_in_the_face(surface: SurfaceSlab) -> list[float]:
    """All distances up to 6 angstrom among the atoms of the uppermost 2 angstrom."""
    slab = surface.slab
    height = slab.cart_coords[:, 2]
    face = Structure.from_sites(
        [s for s, z in zip(slab, height, strict=True) if z > height.max() - 2]
    )
    return sorted(face.get_neighbor_list(6.0)[3])


def test_polar_orientation_is_an_error_that_lists_the_possible_ones(crystal: MakeCrystal) -> None:
    with pytest.raises(PolarSurfaceError, match=r"\(001\) of ZnO .* is polar.*\(100\), \(110\)"):
        enumerate_slabs(crystal("wurtzite"), (0, 0, 1))


def test_every_nonpolar_orientation_has_a_cut(any_crystal: Structure) -> None:
    # The cut next to a symmetry centre encloses one whole period between itself and its image, but
    # for the plane at the centre, if there is one: type A or B without it, type C with it.
    bulk = symmetrize(any_crystal)
    for orientation in nonpolar_orientations(bulk, 2):
        terminations, _ = find_terminations(orient(bulk, orientation.miller_index))
        assert terminations


def test_thicknesses_must_be_positive(crystal: MakeCrystal) -> None:
    with pytest.raises(SurfaceError, match="positive"):
        enumerate_slabs(crystal("rocksalt"), (1, 0, 0), slab_thickness=0.0)


def _disguise(structure: Structure, seed: int) -> Structure:
    """The same crystal in another cell, origin, orientation in space and order of atoms."""
    chance = random.Random(seed)
    numbers = np.random.default_rng(seed)
    disguised = chance.choice(
        [
            lambda s: s.copy(),
            lambda s: s.get_primitive_structure(),
            lambda s: s.get_reduced_structure(),
            lambda s: s * [[1, 1, 0], [0, 1, 0], [0, 1, 1]],
            lambda s: s.get_primitive_structure() * [[1, 0, 0], [1, 2, 0], [0, 0, 1]],
            lambda s: s.get_primitive_structure() * [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
        ]
    )(structure)
    turned, _ = np.linalg.qr(numbers.normal(size=(3, 3)))
    if np.linalg.det(turned) < 0:
        turned = -turned
    order = list(range(len(disguised)))
    chance.shuffle(order)
    return Structure(
        Lattice(disguised.lattice.matrix @ turned),
        [disguised[i].specie for i in order],
        (disguised.frac_coords + numbers.random(3))[order],
    )


@settings(
    max_examples=2, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(seed=st.integers(0, 10_000))
def test_identifiers_and_names_do_not_depend_on_the_cell(any_crystal: Structure, seed: int) -> None:
    reference = {s.identifier: s.name for s in _all_slabs(any_crystal, 10.0)}
    found = {s.identifier: s.name for s in _all_slabs(_disguise(any_crystal, seed), 10.0)}
    assert found == reference


def test_noise_of_coordinates_changes_neither_names_nor_identifiers(any_crystal: Structure) -> None:
    reference = {s.identifier: s.name for s in _all_slabs(any_crystal, 10.0)}
    noisy = _disguise(any_crystal, 11)
    numbers = np.random.default_rng(11)
    noisy = Structure(
        Lattice(noisy.lattice.matrix * (1 + 1e-6 * numbers.normal(size=(3, 3)))),
        noisy.species,
        noisy.frac_coords + 1e-6 * numbers.normal(size=(len(noisy), 3)),
    )
    assert {s.identifier: s.name for s in _all_slabs(noisy, 10.0)} == reference


@pytest.mark.parametrize(
    "planes",
    [
        # Two cuts between planes of oxygen, of equal gaps: only planes further below tell them apart.
        [("O", 1.0), ("Mg", 2.2), ("Ca", 3.4), ("Ti", 4.6), ("Mg", 5.8), ("O", 7.0)],
        # Here the planes are of the same elements, and only their depths differ.
        [("O", 1.0), ("Mg", 2.2), ("Ca", 3.4), ("Ca", 4.4), ("Mg", 5.8), ("O", 7.0)],
    ],
    ids=["by planes", "by depths"],
)
def test_cuts_that_differ_below_the_outermost_planes_keep_their_order(
    planes: list[tuple[str, float]],
) -> None:
    period = 16.0  # angstrom; the planes and their mirror images
    stack = Structure(
        Lattice.tetragonal(3.0, period),
        [element for element, _ in planes for _ in range(2)],
        [[0, 0, sign * height / period] for _, height in planes for sign in (1, -1)],
    )
    upside_down = Structure(stack.lattice, stack.species, [0.1, 0.2, 0.5] - stack.frac_coords)
    surveys = [survey_orientation(crystal, (0, 0, 1)).slabs for crystal in (stack, upside_down)]
    first, second = surveys[0][:2]
    assert first.termination.label == second.termination.label == "O/Mg"
    assert first.termination.planes_below != second.termination.planes_below
    for slabs in surveys:
        assert [s.name for s in slabs] == [s.name for s in surveys[0]]
        for slab, expected in zip(slabs, surveys[0], strict=True):
            for (text, depth), (text_0, depth_0) in zip(
                slab.termination.planes_below, expected.termination.planes_below, strict=True
            ):
                assert text == text_0
                assert depth == pytest.approx(depth_0, abs=1e-6)


def test_rhombohedral_and_hexagonal_cells_give_the_same_surfaces(crystal: MakeCrystal) -> None:
    hexagonal = crystal("corundum")
    rhombohedral = hexagonal.get_primitive_structure()
    assert len(rhombohedral) == 10
    first, second = (
        {s.identifier: s.name for s in _all_slabs(s)} for s in (hexagonal, rhombohedral)
    )
    assert first == second


def test_identifiers_of_different_surfaces_differ(any_crystal: Structure) -> None:
    surfaces = _all_slabs(any_crystal)
    identifiers = Counter(s.identifier for s in surfaces)
    assert max(identifiers.values()) == 1
    assert len({s.name for s in surfaces}) == len(surfaces)


def test_thickness_is_part_of_the_identity(crystal: MakeCrystal) -> None:
    thin, thick = ({s.identifier: s for s in _all_slabs(crystal("rutile"), t)} for t in (9.0, 14.0))
    for identifier in set(thin) & set(thick):
        assert thin[identifier].slab_thickness >= 14.0
    assert len(set(thick) - set(thin)) > len(thick) / 2


def test_a_crystal_keeps_its_surfaces_with_the_lattice_of_another_functional(
    crystal: MakeCrystal,
) -> None:
    structure = crystal("rutile")
    strained = structure.copy()
    strained.apply_strain(0.02)
    first, second = (
        {(s.name, s.n_atoms): s.identifier for s in _all_slabs(bulk)}
        for bulk in (structure, strained)
    )
    # The thickness wanted is reached by fewer layers here and there.
    shared = first.keys() & second.keys()
    assert len(shared) > len(first) / 2
    assert {key: first[key] for key in shared} == {key: second[key] for key in shared}


def test_planes_nearer_than_the_tolerance_are_never_parted() -> None:
    # Litharge: Pb lies 1.18 angstrom above and below the plane of O2, and 2.67 angstrom from the next layer.
    litharge = Structure.from_spacegroup(
        129, Lattice.tetragonal(3.976, 5.023), ["Pb", "O"], [[0, 0.5, 0.2345], [0, 0, 0]]
    )
    cuts = {}
    for tolerance in (0.1, 1.25):
        survey = survey_orientation(
            litharge, (0, 0, 1), slab_thickness=6.0, plane_tolerance=tolerance
        )
        cuts[tolerance] = [slab.name for slab in survey.slabs] + [c.label for c in survey.rejected]
    assert cuts == {
        0.1: ["PbO(001)-B-Pb/O2", "PbO(001)-C-O2/Pb-1", "Pb/Pb"],
        1.25: ["PbO(001)-A"],
    }
