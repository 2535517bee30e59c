"""Relax a slab until its levels hold: few energies and forces, and a stated error at the end.

The ions move in the symmetric displacements of the slab, by Newton steps with a Hessian that learns. At
each point the level at the minimum is known to first order: the level here plus its response times the
step that the Hessian still asks for. The relaxation ends not where forces are small, which says little of
the levels where modes are soft, but where this estimate is good enough; estimate and error are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from monty.json import MSONable
from numpy.typing import NDArray

from surfalign.physics.checks import Check, within
from surfalign.physics.levels.convergence import CENTRE_SHARE
from surfalign.workflows.engines.relaxation.level_estimate import (
    LevelEstimate,
    estimate_level,
    level_per_force,
)
from surfalign.workflows.engines.relaxation.start import RelaxationStart, Say

FloatArray = NDArray[np.float64]

#: What the first forces of DFT may ask for at the geometry of a potential: angstrom, eV.
MAX_FIRST_STEP, MAX_FIRST_CHANGE = 0.3, 1.5
#: A point whose energy lies this far above the best one is left again, eV: less is noise.
_ENERGY_NOISE = 0.003


@dataclass(frozen=True)
class RelaxationSettings(MSONable):
    """When a relaxation ends.

    Parameters
    ----------
    level_tolerance
        How far the ionization potential that is predicted for the minimum may be wrong, eV.
    force_tolerance
        Largest force that is left on a free atom, eV/angstrom: a guard, far from what a criterion on
        forces alone would need.
    max_evaluations
        Energies and forces that one relaxation may take.
    max_step
        Longest displacement of an atom in one step, angstrom.
    hold_centre
        Whether the atoms in the slab's centre stay where the bulk has them. Where the given cell is not
        that of the functional, a free slab contracts throughout, and its centre is another crystal than
        the one whose band edges are taken.
    """

    level_tolerance: float = 0.02
    force_tolerance: float = 0.15
    max_evaluations: int = 25
    max_step: float = 0.15
    hold_centre: bool = True

    def numerical(self) -> dict[str, Any]:
        """Return the settings as plain JSON, without serialisation marks."""
        return {k: v for k, v in self.as_dict().items() if not k.startswith("@")}


@dataclass(frozen=True)
class Evaluation:
    """What an engine found at one geometry.

    Parameters
    ----------
    energy
        EV.
    forces
        Shape ``(n_atoms, 3)``, eV/angstrom.
    level
        Vacuum level against the inside of the slab, eV, up to a constant.
    precise
        Whether the electrons were converged to the full criterion.
    answer
        All that the engine said.
    """

    energy: float
    forces: FloatArray
    level: float
    precise: bool = True
    answer: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class RelaxationStep:
    """One evaluation on the way.

    Parameters
    ----------
    energy
        EV.
    largest_force
        On a free atom, symmetric part, eV/angstrom.
    level
        As in :class:`Evaluation`, eV.
    newton_step
        Largest displacement that the Hessian asks for, angstrom.
    predicted_change
        Of the level on the way to the minimum, eV.
    predicted_error
        How far that may be wrong, eV.
    precise
        Whether the electrons were converged to the full criterion.
    """

    energy: float
    largest_force: float
    level: float
    newton_step: float
    predicted_change: float
    predicted_error: float
    precise: bool

    def __str__(self) -> str:
        return (
            f"energy {self.energy:.4f} eV, largest force {self.largest_force:.3f} eV/angstrom, "
            f"IP at the minimum {self.predicted_change:+.3f} ± {self.predicted_error:.3f} eV from here"
        )


@dataclass(frozen=True)
class Relaxation:
    """A finished relaxation.

    Parameters
    ----------
    positions
        Shape ``(n_atoms, 3)``, angstrom.
    last
        What the engine found there, to its full precision.
    steps
        All evaluations in order.
    converged
        Whether the criteria were met.
    start
        Where it started.
    centre_change
        Of the level, if the atoms that were held in the centre were released, to first order, eV.
    level_per_force
        How an error of the forces shows in the level at the minimum, eV per eV/angstrom: see
        :func:`~surfalign.workflows.engines.relaxation.level_estimate.level_per_force`.
    """

    positions: FloatArray
    last: Evaluation
    steps: tuple[RelaxationStep, ...]
    converged: bool
    start: RelaxationStart
    centre_change: float
    level_per_force: float

    def checks(self, settings: RelaxationSettings) -> list[Check]:
        """Return what was reached beside what was asked for."""
        last = self.steps[-1]
        return [
            within(
                "predicted_level_error",
                last.predicted_error,
                settings.level_tolerance,
                "eV",
                "how far the ionization potential predicted for the minimum may be wrong",
            ),
            within(
                "max_force",
                last.largest_force,
                settings.force_tolerance,
                "eV/angstrom",
                "largest symmetric force left on a free atom",
            ),
        ]


#: Evaluates positions (angstrom, shape (n_atoms, 3)), to the engine's full precision where asked for.
Evaluate = Callable[[FloatArray, bool], Evaluation]


def relax(
    evaluate: Evaluate, start: RelaxationStart, settings: RelaxationSettings, say: Say
) -> Relaxation:
    """Relax the ions from a start.

    The electrons are converged loosely on the way, and fully where the criteria are met, which they must
    be then too. A step after which the energy is higher teaches the Hessian and is taken back. Where
    holding the centre would leave too large an error, only its innermost planes stay held, and it goes on.

    Parameters
    ----------
    evaluate
        The engine.
    start
        Positions, allowed displacements, Hessian and response; the last two learn on the way.
    settings
        Criteria.
    say
        Shows a line of progress.
    """
    walk = _Walk(start, settings)
    here, precise = start.positions, False
    while True:
        found = evaluate(here, precise)
        done = walk.take(here, found)
        say(f"step {len(walk.steps)}, {walk.steps[-1]}")
        if len(walk.steps) == 1 and start.fallback and (reason := too_far(walk.steps[0])):
            say(f"the start of {start.name} is not taken: {reason}")
            return relax(evaluate, start.refused(reason), settings, say)
        left = settings.max_evaluations - len(walk.steps)
        if done and left > 0 and walk.centre_costs(found.forces):
            say("holding the centre would change the IP: only its innermost planes stay held")
            done = walk.hold_less(here, found)
        if found.precise and (done or left <= 0):
            return Relaxation(
                here,
                found,
                tuple(walk.steps),
                done,
                start,
                walk.centre_change(found.forces),
                level_per_force(walk.hessian, walk.response),
            )
        precise = precise or done or left <= 1
        if not (done or left <= 0):
            here = walk.next_positions()


def too_far(first: RelaxationStep) -> str:
    """Return why the geometry of a potential is no start, by the first forces of DFT there; else nothing."""
    if first.newton_step > MAX_FIRST_STEP:
        return f"DFT would move an atom by {first.newton_step:.2f} angstrom"
    if abs(first.predicted_change) > MAX_FIRST_CHANGE:
        return f"DFT would move the level by {abs(first.predicted_change):.2f} eV"
    return ""


class _Walk:
    """The state between two evaluations."""

    def __init__(self, start: RelaxationStart, settings: RelaxationSettings) -> None:
        self.space, self.hessian, self.response = start.space, start.hessian, start.response
        self.centre, self.settings = start.centre, settings
        self.steps: list[RelaxationStep] = []
        self._moves: list[FloatArray] = []
        self._last: tuple[FloatArray, FloatArray, float] | None = None
        self._best: tuple[float, FloatArray, FloatArray] | None = None  # energy, place, forces
        self._max_step = settings.max_step

    def take(self, positions: FloatArray, found: Evaluation) -> bool:
        """Learn from an evaluation; return whether the criteria are met there, and no better point is known."""
        forces = self.space.reduce(found.forces)
        if self._last is not None:
            before, forces_before, level_before = self._last
            moved = self.space.reduce(positions - before)
            self.hessian.learn(moved, forces - forces_before)
            self.response.learn(moved, found.level - level_before)
            self._moves.append(moved)
        self._last = positions, forces, found.level
        is_best = self._keep(found.energy, positions, forces)
        step = self.space.longest(self.hessian.newton_step(forces))
        level: LevelEstimate = estimate_level(self.hessian, self.response, forces, self._moves)
        largest = self.space.longest(forces)
        self.steps.append(
            RelaxationStep(
                found.energy, largest, found.level, step, level.change, level.error, found.precise
            )
        )
        return (
            is_best
            and level.error <= self.settings.level_tolerance
            and largest <= self.settings.force_tolerance
        )

    def centre_change(self, forces: FloatArray) -> float:
        """Return how the level would answer to the release of the held atoms, eV."""
        if self.centre is None:
            return 0.0
        return self.centre.change_on_release(self.space, self.hessian, self.response, forces)

    def centre_costs(self, forces: FloatArray) -> bool:
        """Ask whether holding the centre leaves too large an error, and fewer atoms could be held."""
        if self.centre is None or self.centre.smaller is None:
            return False
        return abs(self.centre_change(forces)) * CENTRE_SHARE > self.settings.level_tolerance

    def hold_less(self, positions: FloatArray, found: Evaluation) -> bool:
        """Hold the innermost planes alone; return whether the criteria are met with them too."""
        assert self.centre is not None
        assert self.centre.smaller is not None
        wanted = self.centre.smaller
        self.hessian, self.response = self.centre.knowledge_of(
            wanted, self.space, self.hessian, self.response
        )
        before, self.space = self.space, wanted
        self._moves = [wanted.reduce(before.expand(move)) for move in self._moves]
        self.centre = replace(self.centre, smaller=None)
        self._last = self._best = None
        self.steps.pop()  # the same evaluation, judged anew
        return self.take(positions, found)

    def next_positions(self) -> FloatArray:
        """Return the next geometry: a Newton step from the best one, not too long."""
        assert self._best is not None
        _, positions, forces = self._best
        step = self.hessian.newton_step(forces)
        longest = self.space.longest(step)
        if longest > self._max_step:
            step = step * (self._max_step / longest)
        return positions + self.space.expand(step)

    def _keep(self, energy: float, positions: FloatArray, forces: FloatArray) -> bool:
        """Go on from here, unless the energy rose: then from the best point, more carefully."""
        if self._best is None or energy <= self._best[0] + _ENERGY_NOISE:
            self._best = energy, positions, forces
            self._max_step = self.settings.max_step
            return True
        self._max_step /= 2
        return False
