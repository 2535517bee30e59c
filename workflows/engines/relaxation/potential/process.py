"""Ask a pretrained potential in a process of its own, and believe nothing that it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from surfalign.errors import EngineError
from surfalign.workflows.engines.relaxation.symmetric_space import SymmetricSpace

FloatArray = NDArray[np.float64]

CHILD = "surfalign.workflows.engines.relaxation.potential.child"
#: A potential that has not answered after so many seconds is given up.
TIME_LIMIT = 600.0


@dataclass(frozen=True)
class PotentialAnswer:
    """What a potential says of a slab.

    Parameters
    ----------
    displacements
        From the bulk-cut slab, shape ``(n_atoms, 3)``, angstrom.
    hessian
        In the coordinates of the space, shape ``(n, n)``, eV/angstrom^2.
    energy_gain
        Of the relaxation, eV.
    largest_force
        Left at its end, eV/angstrom.
    strain
        Of the potential's own bulk along the cell vectors.
    """

    displacements: FloatArray
    hessian: FloatArray
    energy_gain: float
    largest_force: float
    strain: FloatArray


def ask_potential(
    potential: str,
    slab: Structure,
    oriented_bulk: Structure,
    space: SymmetricSpace,
    hessian: FloatArray,
    time_limit: float = TIME_LIMIT,
) -> PotentialAnswer:
    """Return what a potential says of a slab.

    Parameters
    ----------
    potential
        Name or file, see :func:`.child.load_potential`.
    slab, oriented_bulk
        The slab as cut, and the bulk in its in-plane cell; both with site property ``bulk_site``.
    space
        Allowed displacements.
    hessian
        A start for the potential's own relaxation.
    time_limit
        S.

    Raises
    ------
    EngineError
        When it crashes, hangs, or answers what cannot be read.
    """
    task = {
        "potential": potential,
        "slab": _plain(slab),
        "bulk": _plain(oriented_bulk),
        "basis": space.basis.tolist(),
        "hessian": hessian.tolist(),
    }
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", CHILD],
            input=json.dumps(task),
            capture_output=True,
            text=True,
            timeout=time_limit,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EngineError(f"no answer within {time_limit:.0f} s") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise EngineError(f"it ended with status {done.returncode}: {last}")
    try:
        answer = json.loads(done.stdout)
        return _checked(answer, len(slab), space.size)
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(f"its answer cannot be read: {error}") from error


def _plain(structure: Structure) -> dict[str, Any]:
    return {
        "numbers": [site.specie.Z for site in structure],
        "positions": structure.cart_coords.tolist(),
        "cell": structure.lattice.matrix.tolist(),
        "sites": [int(site) for site in structure.site_properties["bulk_site"]],
    }


def _checked(answer: dict[str, Any], n_atoms: int, size: int) -> PotentialAnswer:
    found = PotentialAnswer(
        np.array(answer["displacements"], dtype=float).reshape(n_atoms, 3),
        np.array(answer["hessian"], dtype=float).reshape(size, size),
        float(answer["energy_gain"]),
        float(answer["largest_force"]),
        np.array(answer["strain"], dtype=float),
    )
    numbers = (found.displacements, found.hessian, found.strain, found.energy_gain)
    if not all(np.isfinite(values).all() for values in numbers):
        raise ValueError("it holds values that are not finite")
    return found
