"""Where VASP's relaxation of a slab starts: from the cut, or where a pretrained potential puts the atoms."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from pymatgen.core import Structure

from surfalign.settings import load_settings
from surfalign.workflows.engines.positions import with_positions
from surfalign.workflows.engines.relaxation.potential.choice import chosen_potentials
from surfalign.workflows.engines.relaxation.start import BULK_CUT, find_start

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class SlabStart:
    """Positions that VASP's own optimiser goes on from; they never decide the result.

    Parameters
    ----------
    positions
        Shape ``(n_atoms, 3)``, angstrom.
    name
        ``bulk cut``, or the potential's name.
    refusals
        Why a better start was not taken.
    cpu_time
        What asking took, s.
    """

    positions: list[list[float]]
    name: str = BULK_CUT
    refusals: tuple[str, ...] = ()
    cpu_time: float = 0.0

    def of(self, slab: Structure) -> Structure:
        """Return the slab at these positions; the slab itself where they are its own."""
        if self.name == BULK_CUT:
            return slab
        return with_positions(slab, np.array(self.positions))


def ask_for_start(slab: Structure, oriented_bulk: Structure | None) -> dict[str, Any]:
    """Return a start in plain values, so that a job that goes on later finds the same.

    Parameters
    ----------
    slab
        As it was cut.
    oriented_bulk
        The bulk in the slab's in-plane cell; without it no potential is asked.
    """
    start = find_start(
        slab,
        oriented_bulk,
        _LOGGER.info,
        hold_centre=False,  # VASP relaxes all atoms, in the cell of its own bulk
        potentials=chosen_potentials(load_settings()),
    )
    return {
        "positions": start.positions.tolist(),
        "name": start.name,
        "refusals": start.refusals,
        "cpu_time": start.cpu_time,
    }
