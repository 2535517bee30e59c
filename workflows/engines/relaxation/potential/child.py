"""The process of a pretrained potential (child side): one task in, one answer out, both JSON.

Run by :mod:`.process`. The slab is cut anew from the potential's own bulk, relaxed there, and only the
displacements are returned: relaxed in the cell of DFT, the mismatch of the two lattices would move the
ions more than the surface does (MgO and SrO came out worse than unrelaxed).
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from typing import Any

import numpy as np
from ase import Atoms
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from numpy.typing import NDArray

from surfalign.processes import end_with_parent
from surfalign.workflows.engines.relaxation.potential.choice import PACKAGES
from surfalign.workflows.engines.relaxation.quasi_newton import Hessian
from surfalign.workflows.engines.relaxation.symmetric_space import SymmetricSpace

FloatArray = NDArray[np.float64]

#: The potential's own relaxations: forces (eV/angstrom) and steps.
_BULK_FORCE, _SLAB_FORCE, _STEPS = 0.005, 0.01, 100
_MAX_STEP = 0.15
#: Displacement of the finite differences behind the Hessian, angstrom.
_DIFFERENCE = 0.01


def main() -> None:
    """Read a task, write its answer."""
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints goes to the log
    end_with_parent()
    task = json.load(sys.stdin)
    json.dump(start_of(task), channel)
    channel.flush()


def start_of(task: dict[str, Any]) -> dict[str, Any]:
    """Return displacements, Hessian and energies of a slab by a potential.

    Parameters
    ----------
    task
        ``potential``: a name or a file. ``slab``, ``bulk``: atoms (``numbers``, ``positions``, ``cell``,
        ``sites``); the bulk has the slab's in-plane vectors. ``basis``: allowed displacements of the
        slab, shape (3 n_atoms, n). ``hessian``: a start, shape (n, n).
    """
    calculator = load_potential(task["potential"])
    bulk, slab = _atoms(task["bulk"]), _atoms(task["slab"])
    own_bulk = _relaxed_bulk(bulk, calculator)
    own = _own_slab(slab, task["slab"]["sites"], bulk, own_bulk, task["bulk"]["sites"])
    space = SymmetricSpace(np.array(task["basis"], dtype=float))
    first = _evaluated(own, own.positions, calculator)
    positions, last = _relaxed_slab(own, space, np.array(task["hessian"]), calculator)
    return {
        "displacements": (positions - own.positions).tolist(),
        "hessian": _hessian(own, positions, space, calculator).tolist(),
        "energy_gain": first[0] - last[0],
        "largest_force": space.longest(space.reduce(last[1])),
        "strain": (np.linalg.norm(own_bulk.cell.array, axis=1) / bulk.cell.lengths() - 1).tolist(),
    }


def load_potential(name: str) -> Any:
    """Return the ASE calculator of a potential.

    Parameters
    ----------
    name
        ``chgnet``, ``sevennet``, or a Python file with a function ``calculator()``.
    """
    if name not in PACKAGES:
        return runpy.run_path(name)["calculator"]()
    import torch

    torch.set_num_threads(1)
    if name == "chgnet":
        from chgnet.model.dynamics import CHGNetCalculator

        return CHGNetCalculator(use_device="cpu", on_isolated_atoms="ignore")
    from sevenn.calculator import SevenNetCalculator

    return SevenNetCalculator("7net-0", device="cpu")


def _atoms(plain: dict[str, Any]) -> Atoms:
    return Atoms(
        numbers=plain["numbers"], positions=plain["positions"], cell=plain["cell"], pbc=True
    )


def _evaluated(atoms: Atoms, positions: FloatArray, calculator: Any) -> tuple[float, FloatArray]:
    here = atoms.copy()
    here.positions = positions
    here.calc = calculator
    return float(here.get_potential_energy()), np.array(here.get_forces(), dtype=float)


def _relaxed_bulk(bulk: Atoms, calculator: Any) -> Atoms:
    """Return the bulk in the potential's own cell; its symmetry stays."""
    own = bulk.copy()
    own.calc = calculator
    own.set_constraint(FixSymmetry(own))
    BFGS(FrechetCellFilter(own), logfile=None).run(fmax=_BULK_FORCE, steps=_STEPS)
    own.set_constraint()
    return own


def _own_slab(
    slab: Atoms, slab_sites: list[int], bulk: Atoms, own_bulk: Atoms, bulk_sites: list[int]
) -> Atoms:
    """Return the slab as it would be cut from the potential's own bulk.

    The strain of the cell moves all atoms; each takes besides what its site in the bulk is displaced by.
    """
    strain = np.linalg.solve(bulk.cell.array, own_bulk.cell.array)
    moved = own_bulk.positions - bulk.positions @ strain
    own = slab.copy()
    cell = slab.cell.array @ strain
    own.set_cell(cell, scale_atoms=False)
    sites = np.array(bulk_sites)
    by_site = {site: moved[sites == site].mean(axis=0) for site in set(bulk_sites)}
    own.positions = slab.positions @ strain + np.array([by_site[site] for site in slab_sites])
    return own


def _relaxed_slab(
    slab: Atoms, space: SymmetricSpace, hessian: FloatArray, calculator: Any
) -> tuple[FloatArray, tuple[float, FloatArray]]:
    """Relax the ions in the allowed displacements."""
    model = Hessian(hessian, scalable=True)
    positions, before = slab.positions.copy(), None
    for _ in range(_STEPS):
        found = _evaluated(slab, positions, calculator)
        forces = space.reduce(found[1])
        if before is not None:
            model.learn(space.reduce(positions - before[0]), forces - before[1])
        if space.longest(forces) < _SLAB_FORCE:
            break
        before = positions, forces
        step = model.newton_step(forces)
        step *= min(1.0, _MAX_STEP / max(space.longest(step), 1e-12))
        positions = positions + space.expand(step)
    return positions, found


def _hessian(
    slab: Atoms, positions: FloatArray, space: SymmetricSpace, calculator: Any
) -> FloatArray:
    """Return the Hessian by central differences of the forces."""
    columns = []
    for axis in np.eye(space.size):
        shift = space.expand(_DIFFERENCE * axis)
        ahead, behind = (
            space.reduce(_evaluated(slab, positions + sign * shift, calculator)[1])
            for sign in (1, -1)
        )
        columns.append((behind - ahead) / (2 * _DIFFERENCE))
    matrix = np.array(columns).reshape(space.size, space.size)
    return np.asarray(0.5 * (matrix + matrix.T))


if __name__ == "__main__":
    main()
