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


def test_disagreeing_alignments_fail() -> None:
    assert site_agreement(7.1, 7.12).passed
    assert not site_agreement(7.1, 7.2).passed
    assert not site_agreement(7.1, float("nan")).passed


def test_no_affinity_without_a_gap() -> None:
    with pytest.raises(MetallicError, match="positive gap"):
        electron_affinity(5.0, 0.0)
