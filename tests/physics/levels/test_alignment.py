from __future__ import annotations

import numpy as np
import pytest

from surfalign.errors import MetallicError, PhysicsInputError
from surfalign.physics.levels.alignment import (
    electron_affinity,
    ionization_potential,
    potential_step,
    site_agreement,
    site_alignment,
)
from surfalign.physics.levels.potential import PlanarProfile, SlabRegions, slab_regions

PERIOD, REPEAT = 40.0, 2.0
ATOMS = np.arange(10.0, 22.1, 1.0)  # planes one angstrom apart: two a repeat


def model(tilt: float = 0.0, corrugation: float = 0.0) -> PlanarProfile:
    z = np.arange(800) * PERIOD / 800
    inside = 0.5 * (np.tanh((z - 9.0) / 0.4) - np.tanh((z - 23.0) / 0.4))
    bulk = -9.5 + 1.3 * np.sin(2 * np.pi * z / REPEAT) + corrugation * (z - 16.0)
    above = np.where(z > 30, tilt, 0.0)
    return PlanarProfile(inside * bulk + 3.0 + above, PERIOD)


def regions() -> SlabRegions:
    return slab_regions(ATOMS, PERIOD)


def verdicts(step_checks: tuple) -> dict[str, bool]:
    return {check.name: check.passed for check in step_checks}


def test_the_known_step_is_found_and_its_checks_pass() -> None:
    step = potential_step(model(), regions(), REPEAT)
    assert step.value == pytest.approx(9.5, abs=1e-6)
    assert all(verdicts(step.checks).values())
    ip = ionization_potential(step.value, 2.4)
    assert ip == pytest.approx(7.1)
    assert electron_affinity(ip, 7.9) == pytest.approx(-0.8)


def test_a_vacuum_that_is_not_flat_fails_by_name() -> None:
    failed = verdicts(potential_step(model(tilt=0.05), regions(), REPEAT).checks)
    assert not failed["vacuum_plateau"]
    assert not failed["vacuum_two_sides"]
    assert failed["slab_centre_plateau"]


def test_a_slab_whose_inside_is_not_bulk_fails_by_name() -> None:
    failed = verdicts(potential_step(model(corrugation=0.05), regions(), REPEAT).checks)
    assert not failed["slab_centre_plateau"]
    assert failed["vacuum_plateau"]


def in_a_field(field: float) -> PlanarProfile:
    """The model in a uniform field (eV/angstrom) whose level is zero in the middle of the vacuum."""
    z = np.arange(4000) * PERIOD / 4000
    height = np.where(z > 16.0, z - 36.0, z + 4.0)
    return PlanarProfile(model().at(z) + field * height, PERIOD)


def test_the_vacuum_is_read_on_both_sides_and_the_middle_of_them_counts() -> None:
    # 28 angstrom of vacuum: its sides, a quarter of that apart, differ by the field times it.
    for field in (0.01, -0.01):
        step = potential_step(in_a_field(field), regions(), REPEAT)
        values = {check.name: check.value for check in step.checks}
        assert step.vacuum_level == pytest.approx(3.0, abs=1e-3)
        assert values["vacuum_two_sides"] == pytest.approx(7.0 * field, abs=1e-3)
        assert values["vacuum_plateau"] == pytest.approx(14.0 * abs(field), abs=1e-3)


@pytest.mark.parametrize("phase", [0.0, 0.25, 0.5, 0.75])
def test_layers_two_percent_wider_than_the_bulk_move_the_level_by_millivolts(phase: float) -> None:
    # One running mean would let 2 % of 8 eV through; the second leaves 2 % of that.
    z = np.arange(2000) * PERIOD / 2000
    inside = 0.5 * (np.tanh((z - 9.0) / 0.4) - np.tanh((z - 23.0) / 0.4))
    layers = 8.0 * np.cos(2 * np.pi * ((z - 16.0) / (1.02 * REPEAT) + phase))
    step = potential_step(PlanarProfile(inside * (layers - 9.5), PERIOD), regions(), REPEAT)
    assert step.value == pytest.approx(9.5, abs=0.008)


def test_every_check_says_unit_and_reason() -> None:
    checks = (*potential_step(model(), regions(), REPEAT).checks, site_agreement(7.1, 7.1))
    assert [check.name for check in checks] == [
        "vacuum_plateau",
        "vacuum_two_sides",
        "slab_centre_plateau",
        "site_potential_alignment",
    ]
    assert {check.unit for check in checks} == {"eV"}
    assert all(check.reason.endswith(".") for check in checks)


def test_the_position_of_the_slab_in_the_cell_does_not_matter() -> None:
    reference = potential_step(model(), regions(), REPEAT).value
    for shift in (13.7, 20.0, 31.0):
        profile = PlanarProfile(model().at(model().heights - shift), PERIOD)
        moved = potential_step(profile, slab_regions(ATOMS + shift, PERIOD), REPEAT)
        assert moved.value == pytest.approx(reference, abs=1e-4)


def test_site_potentials_give_the_same_reference() -> None:
    sites = np.arange(ATOMS.size) % 2
    bulk = np.array([-30.0, -18.0])
    surface = 0.4 * np.exp(-np.minimum(ATOMS - 10.0, 22.0 - ATOMS))  # decays inwards
    alignment = site_alignment(bulk[sites] - 6.5 + surface, bulk, sites, ATOMS, regions(), REPEAT)
    assert alignment.reference == pytest.approx(-6.5, abs=2e-3)
    assert alignment.n_sites == 3
    assert alignment.spread < 5e-3


def test_site_alignment_refuses_indices_of_another_bulk() -> None:
    with pytest.raises(PhysicsInputError, match="same bulk structure"):
        site_alignment([1.0, 2.0], [1.0], [0, 1], [0.0, 1.0], regions(), REPEAT)


def test_each_bulk_site_counts_once_however_many_of_its_atoms_are_inside() -> None:
    # Three atoms of site 0, one each of sites 1 and 2, within one repeat around the centre at 15.
    heights = [14.0, 14.4, 15.0, 15.4, 16.0, 17.0]
    offsets = np.array([0.1, 0.2, 0.5, 0.3, 1.1, 50.0])
    sites, bulk = [0, 0, 1, 0, 2, 1], np.array([-30.0, -18.0, -5.0])
    region = SlabRegions(13.0, 17.0, PERIOD)
    alignment = site_alignment(bulk[sites] + offsets, bulk, sites, heights, region, REPEAT)
    assert alignment.reference == pytest.approx((0.2 + 0.5 + 1.1) / 3)
    assert alignment.spread == pytest.approx(1.1 - 0.2)
    assert alignment.n_sites == 5


def test_a_crystal_of_one_site_is_aligned_too() -> None:
    stored = [0.0] * ATOMS.size  # indices as databases may return them
    alignment = site_alignment([-36.5] * ATOMS.size, [-30.0], stored, ATOMS, regions(), REPEAT)
    assert alignment.reference == pytest.approx(-6.5)
    assert alignment.spread == 0.0


def test_disagreeing_alignments_fail() -> None:
    assert site_agreement(7.1, 7.12).value == pytest.approx(0.02)
    assert site_agreement(7.1, 7.12).passed
    assert not site_agreement(7.1, 7.2).passed
    assert not site_agreement(7.1, float("nan")).passed


def test_no_affinity_without_a_gap() -> None:
    assert electron_affinity(5.0, 0.3) == pytest.approx(4.7)
    for gap in (0.0, -0.1, float("nan")):
        with pytest.raises(MetallicError, match="positive gap"):
            electron_affinity(5.0, gap)
