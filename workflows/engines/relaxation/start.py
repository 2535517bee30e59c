"""Where a relaxation starts: a geometry, a Hessian, and the response of the level."""

from __future__ import annotations

import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from surfalign.errors import EngineError
from surfalign.workflows.engines.relaxation.held_centre import HeldCentre
from surfalign.workflows.engines.relaxation.level_response import LevelResponse
from surfalign.workflows.engines.relaxation.model_hessian import model_hessian
from surfalign.workflows.engines.relaxation.potential.anomalies import anomalies, disagreement
from surfalign.workflows.engines.relaxation.potential.process import ask_potential
from surfalign.workflows.engines.relaxation.quasi_newton import START_FLOOR, Hessian, with_floor
from surfalign.workflows.engines.relaxation.slab_level import central_atoms
from surfalign.workflows.engines.relaxation.symmetric_space import SymmetricSpace, symmetric_space

FloatArray = NDArray[np.float64]

#: Shows one line of progress.
Say = Callable[[str], None]

#: The start that needs nothing: atoms where the cut left them, and springs between them.
BULK_CUT = "bulk cut"


@dataclass(frozen=True)
class RelaxationStart:
    """What a relaxation begins with. It never decides the result, only the way to it.

    Parameters
    ----------
    positions
        Shape ``(n_atoms, 3)``, angstrom.
    space
        Displacements that are allowed.
    hessian, response
        In the coordinates of ``space``; both learn on the way.
    name
        Where positions and Hessian come from.
    refusals
        Why a better start was not taken.
    fallback
        The start to take where the first forces say that this one is wrong.
    cpu_time
        What asking the potentials took, s.
    centre
        The slab as if nothing were held; ``None`` where nothing is.
    """

    positions: FloatArray
    space: SymmetricSpace
    hessian: Hessian
    response: LevelResponse
    name: str = BULK_CUT
    refusals: tuple[str, ...] = ()
    fallback: RelaxationStart | None = None
    cpu_time: float = 0.0
    centre: HeldCentre | None = None

    def refused(self, reason: str) -> RelaxationStart:
        """Return the start to take instead, with the reason."""
        assert self.fallback is not None
        return replace(
            self.fallback,
            refusals=(*self.refusals, f"{self.name}: {reason}"),
            cpu_time=self.cpu_time,
        )


def find_start(
    slab: Structure,
    oriented_bulk: Structure | None,
    say: Say,
    *,
    hold_centre: bool = True,
    potentials: Sequence[str] = (),
) -> RelaxationStart:
    """Return the best start for a slab.

    Parameters
    ----------
    slab
        As it was cut.
    oriented_bulk
        The bulk in the slab's in-plane cell; without it no potential is asked.
    say
        Shows a line of progress.
    hold_centre
        Whether the atoms in the centre stay where the bulk has them.
    potentials
        Pretrained potentials to ask; a second one must agree with the first.
    """
    whole = symmetric_space(slab)
    space = whole.holding(central_atoms(slab)) if hold_centre else whole
    springs = model_hessian(slab, space)
    plain = RelaxationStart(
        slab.cart_coords,
        space,
        Hessian(springs, scalable=True),
        LevelResponse.guessed(slab, space),
        centre=_centre(slab, whole) if space.size < whole.size else None,
    )
    knows_sites = "bulk_site" in slab.site_properties
    if oriented_bulk is None or not knows_sites or not space.size or not potentials:
        return plain
    before = _cpu_time_of_children()
    start = _by_potentials(plain, slab, oriented_bulk, springs, potentials, say)
    return replace(start, cpu_time=_cpu_time_of_children() - before)


def _centre(slab: Structure, whole: SymmetricSpace) -> HeldCentre:
    return HeldCentre(whole, model_hessian(slab, whole), LevelResponse.guessed(slab, whole))


def _by_potentials(
    plain: RelaxationStart,
    slab: Structure,
    oriented_bulk: Structure,
    springs: FloatArray,
    potentials: Sequence[str],
    say: Say,
) -> RelaxationStart:
    """Return the start of the first potential, or ``plain`` with the reasons why it is not taken."""
    answers = []
    for potential in potentials:
        say(f"asking {potential} for a start")
        try:
            answer = ask_potential(potential, slab, oriented_bulk, plain.space, springs)
        except EngineError as error:
            return replace(plain, refusals=(f"{potential}: {error}",))
        reasons = anomalies(slab, answer)
        if reasons:
            return replace(plain, refusals=tuple(f"{potential}: {reason}" for reason in reasons))
        answers.append(answer)
    apart = disagreement(answers)
    if apart:
        return replace(plain, refusals=(f"{' and '.join(potentials)}: {apart}",))
    first = answers[0]
    return replace(
        plain,
        positions=slab.cart_coords + first.displacements,
        hessian=Hessian(with_floor(first.hessian, START_FLOOR)),
        name=Path(potentials[0]).name,
        fallback=plain,
    )


def _cpu_time_of_children() -> float:
    """Return the processor time of all programs that this process has run to their end, s."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
