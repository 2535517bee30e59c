"""Relaxations on energies in closed form: how many evaluations, when they end, what they recover from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from surfalign.workflows.engines.relaxation.quasi_newton import Hessian
from surfalign.workflows.engines.relaxation.relaxation import (
    Evaluation,
    RelaxationSettings,
    relax,
)
from surfalign.workflows.engines.relaxation.slab_level import central_atoms, innermost_planes
from surfalign.workflows.engines.relaxation.start import RelaxationStart, find_start

from .test_symmetric_space import slab_of


def silent(_: str) -> None: ...


@dataclass
class Springs:
    """An engine in closed form: an anharmonic minimum, and a level that is linear in the displacements."""

    start: RelaxationStart
    stiffness: np.ndarray
    minimum: np.ndarray
    gradient: np.ndarray
    calls: list[bool] = field(default_factory=list)

    def __call__(self, positions: np.ndarray, precise: bool) -> Evaluation:
        self.calls.append(precise)
        q = self.start.space.reduce(positions - self.start.positions) - self.minimum
        pull = self.stiffness @ q
        energy = 0.5 * float(q @ pull) + 0.5 * float((q**4).sum())
        forces = self.start.space.expand(-(pull + 2 * q**3))
        return Evaluation(energy, forces, float(self.gradient @ q), precise)


@pytest.fixture
def slab() -> Structure:
    return slab_of("TiO2-rutile", (1, 1, 0))


@pytest.fixture
def springs(slab: Structure) -> Callable[..., Springs]:
    def make(start: RelaxationStart | None = None) -> Springs:
        start = start or find_start(slab, None, silent)
        rng = np.random.default_rng(3)
        shape = start.hessian.matrix * 1.7
        noise = rng.normal(size=shape.shape)
        stiffness = shape + 0.2 * (noise @ noise.T)
        return Springs(
            start,
            stiffness,
            0.08 * rng.normal(size=start.space.size),
            3.0 * rng.normal(size=start.space.size),
        )

    return make


def test_a_relaxation_ends_where_the_level_is_within_its_tolerance(
    springs: Callable[..., Springs],
) -> None:
    engine = springs()
    found = relax(engine, engine.start, RelaxationSettings(level_tolerance=0.02), silent)
    assert found.converged
    assert len(engine.calls) <= 12
    # The level at the minimum is zero: the stated error is honest within a factor of two.
    assert abs(found.last.level) < 0.04
    assert all(check.passed for check in found.checks(RelaxationSettings()))


def test_the_last_evaluation_is_precise_and_the_others_are_not(
    springs: Callable[..., Springs],
) -> None:
    engine = springs()
    relax(engine, engine.start, RelaxationSettings(), silent)
    assert engine.calls[-1]
    assert not any(engine.calls[:-2])


def test_a_tighter_tolerance_gives_a_closer_level(springs: Callable[..., Springs]) -> None:
    levels = []
    for tolerance in (0.1, 0.001):
        engine = springs()
        settings = RelaxationSettings(level_tolerance=tolerance)
        levels.append(abs(relax(engine, engine.start, settings, silent).last.level))
    assert levels[1] < 0.003
    assert levels[1] <= levels[0]


def test_the_limit_of_evaluations_holds_and_the_result_says_so(
    springs: Callable[..., Springs],
) -> None:
    engine = springs()
    settings = RelaxationSettings(level_tolerance=1e-9, max_evaluations=4)
    found = relax(engine, engine.start, settings, silent)
    assert len(engine.calls) == 4
    assert not found.converged
    failed = [check.name for check in found.checks(settings) if not check.passed]
    assert failed == ["predicted_level_error"]


def test_a_start_hessian_that_is_far_too_soft_is_recovered_from(
    springs: Callable[..., Springs],
) -> None:
    engine = springs()
    soft = replace(engine.start, hessian=Hessian(0.2 * np.eye(engine.start.space.size)))
    found = relax(engine, soft, RelaxationSettings(max_evaluations=40), silent)
    assert found.converged
    assert abs(found.last.level) < 0.04


def test_a_potential_that_dft_contradicts_is_not_believed(
    springs: Callable[..., Springs],
) -> None:
    engine = springs()
    plain = engine.start
    far = plain.positions + plain.space.expand(np.full(plain.space.size, 0.4))
    wrong = replace(plain, positions=far, name="oracle", fallback=plain)
    found = relax(engine, wrong, RelaxationSettings(), silent)
    assert found.converged
    assert found.start.name == plain.name
    (reason,) = found.start.refusals
    assert reason.startswith("oracle: DFT would move")


@pytest.mark.parametrize("pull", [0.0, 0.1])
def test_fewer_atoms_are_held_where_holding_them_would_change_the_level(pull: float) -> None:
    slab = slab_of("SnO2", (1, 1, 0), thickness=12.0)
    start = find_start(slab, None, silent)
    assert start.centre is not None
    whole, centre = start.centre.space, central_atoms(slab)
    stiffness = 1.5 * start.centre.springs
    outward = np.sign(slab.cart_coords[:, 2] - slab.cart_coords[:, 2].mean())
    cation = np.array([site.specie.symbol == "Sn" for site in slab])
    shift = np.zeros((len(slab), 3))
    shift[:, 2] = outward * np.where(centre, pull * cation, 0.08)
    minimum = whole.reduce(shift)

    def engine(positions: np.ndarray, precise: bool) -> Evaluation:
        q = whole.reduce(positions - slab.cart_coords) - minimum
        level = float(start.centre.response.gradient @ q)
        energy = 0.5 * float(q @ stiffness @ q)
        return Evaluation(energy, whole.expand(-stiffness @ q), level, precise)

    found = relax(engine, start, RelaxationSettings(level_tolerance=0.02), silent)
    assert found.converged
    moved = np.abs(found.positions - slab.cart_coords).max(axis=1) > 1e-6
    assert moved[centre].any() == (pull > 0)
    assert not moved[innermost_planes(slab)].any()


def test_a_relaxation_never_ends_above_the_best_point_it_saw(
    springs: Callable[..., Springs],
) -> None:
    engine = springs()
    energies: list[float] = []
    places: list[np.ndarray] = []

    def rising(positions: np.ndarray, precise: bool) -> Evaluation:
        found = engine(positions, precise)
        places.append(positions)
        # The second place is no better, whatever its forces say.
        hill = 5.0 if len(places) > 1 and np.allclose(positions, places[1]) else 0.0
        forces = np.zeros_like(found.forces) if hill else found.forces
        energies.append(found.energy + hill)
        return replace(found, energy=energies[-1], forces=forces)

    found = relax(rising, engine.start, RelaxationSettings(), silent)
    assert found.converged
    assert found.last.energy <= min(energies) + 0.003


def test_a_slab_without_free_coordinates_is_computed_once() -> None:
    layer = [[0, 0, 0.5], [0.5, 0.5, 0.5]]
    slab = Structure(Lattice.tetragonal(2.98, 15), ["Mg", "O"], layer)
    start = find_start(slab, None, silent)
    assert start.space.size == 0
    calls = []

    def engine(positions: np.ndarray, precise: bool) -> Evaluation:
        calls.append(precise)
        return Evaluation(-1.0, np.zeros_like(positions), 5.0, precise)

    found = relax(engine, start, RelaxationSettings(), silent)
    assert found.converged
    assert calls[-1]
