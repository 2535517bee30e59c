"""The electronic dielectric tensor, by linear response on the PBEsol ground state (child side).

The response includes local fields and the adiabatic LDA kernel. The kernel matters: references of the
same protocol are density-functional perturbation theory, which has the exchange-correlation response
built in, and without it (RPA) the constant is 2 to 6 % smaller. Where the kernel is unstable (open
structures) the result is that of the RPA, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import spglib
from ase import Atoms
from ase.units import Bohr, Ha
from numpy.typing import NDArray

from surfalign.errors import EngineError
from surfalign.physics.checks import Check, within
from surfalign.physics.lattice.symmetry_search import ask_spglib
from surfalign.workflows.engines.gpaw.child import ground_state

Floats = NDArray[np.float64]

#: Largest distance of equivalent atoms, angstrom.
_SYMMETRY_TOLERANCE = 1e-3
#: Broadening at zero frequency, eV: enters as the square of its ratio to the gap.
_BROADENING = 0.05
#: Eigenstate tolerance of the empty bands, eV^2 per electron.
_EIGENSTATES_TOLERANCE = 1e-4
#: The same of the ground state.
_GROUND_STATE_TOLERANCE = 1e-6
#: Share by which local fields may change the constant before it is doubted.
_LARGEST_LOCAL_FIELD = 0.35
#: Share by which the kernel may raise the constant before it counts as unstable.
_LARGEST_KERNEL_CHANGE = 0.12
_UNSOUND_KERNEL = (
    "the ALDA kernel is unstable in this open structure; the response is that of the RPA"
)
#: Directions in which a symmetric tensor is probed, the simple ones first.
_DIRECTIONS = ((1, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 1), (1, 1, 0), (0, 1, 1))


def dielectric_tensor(
    atoms: Atoms, settings: dict[str, Any], report: Callable[[str], None]
) -> dict[str, Any]:
    """Compute the electronic static dielectric tensor of an insulator.

    Parameters
    ----------
    atoms
        Primitive cell.
    settings
        ``GpawSettings.numerical()``.
    report
        Shows progress.

    Returns
    -------
    dict
        ``dielectric_tensor`` (3 x 3, cartesian), ``dielectric_constant``,
        ``dielectric_constant_no_local_fields``, ``checks`` and what was sampled.

    Raises
    ------
    MetallicError
        When the gap closes.
    """
    shifted = response_mesh(atoms.cell.array, settings["dielectric_k_spacing"])
    calculator, n_bands = _bands(atoms, settings, shifted, report)
    basis = invariant_tensors(atoms)
    directions = probing_directions(basis)
    report(f"response of {n_bands} bands in {len(directions)} direction(s)")
    constants = np.array(_constants(calculator, settings, n_bands, directions))
    stable = kernel_is_sound(constants[:, 1], constants[:, 2])
    bare, full = (
        tensor_from_directions(basis, directions, constants[:, column])
        for column in (0, 2 if stable else 1)
    )
    constant = float(np.trace(full)) / 3.0
    return {
        "dielectric_tensor": full.tolist(),
        "dielectric_constant": constant,
        "dielectric_constant_no_local_fields": float(np.trace(bare)) / 3.0,
        "checks": [asdict(check) for check in _checks(full, bare)],
        "kernel": "ALDA" if stable else "RPA",
        "warnings": [] if stable else [_UNSOUND_KERNEL],
        "k_points": list(shifted["size"]),
        "n_bands": n_bands,
        "n_directions": len(directions),
    }


def response_mesh(cell: Floats, spacing: float) -> dict[str, Any]:
    """Return an even Monkhorst-Pack mesh, which avoids Gamma, as GPAW's ``kpts``.

    Transitions at Gamma have the smallest energies in most oxides and dominate a mesh that includes it:
    a shifted 4 x 4 x 4 mesh gives MgO to 0.1 %, a centred one is 8 % off.

    Parameters
    ----------
    cell
        Lattice vectors as rows, angstrom, shape (3, 3).
    spacing
        Largest distance of neighbouring points, 1/angstrom (2 pi included).
    """
    reciprocal = 2 * np.pi * np.linalg.inv(cell).T
    lengths = np.linalg.norm(reciprocal, axis=1)
    return {"size": [2 * max(1, math.ceil(length / spacing / 2 - 1e-3)) for length in lengths]}


def count_bands(n_occupied: int, volume: float, energy: float) -> int:
    """Return the bands of the response: the occupied ones and the free-electron states below ``energy``.

    Parameters
    ----------
    n_occupied
        Occupied bands.
    volume
        Cell volume, angstrom^3.
    energy
        Kinetic energy up to which empty states are taken, eV.
    """
    wave_number = math.sqrt(2 * energy / Ha) / Bohr
    return n_occupied + math.ceil(float(volume * wave_number**3 / (6 * math.pi**2)))


def kernel_is_sound(without: Floats, with_kernel: Floats) -> bool:
    """Return whether the kernel changed the constants as exchange and correlation can.

    It binds electron and hole: the constant grows, by 6 % at most in the oxides measured. In the voids
    of open structures the adiabatic LDA kernel diverges with the vanishing density, and beta-cristobalite
    changed by -8 to +110 % with the direction.

    Parameters
    ----------
    without, with_kernel
        Constants with local fields, without (RPA) and with the kernel, one for each direction.
    """
    change = with_kernel / without - 1.0
    return bool(((change > -0.005) & (change < _LARGEST_KERNEL_CHANGE)).all())


def invariant_tensors(atoms: Atoms) -> Floats:
    """Return a basis of the symmetric 3 x 3 tensors that the crystal's point group leaves unchanged.

    Returns
    -------
    ndarray
        Shape (n, 3, 3): one tensor for cubic crystals, two for uniaxial ones, up to six.
    """
    cell = atoms.cell.array
    symmetry = ask_spglib(
        spglib.get_symmetry,
        (cell, atoms.get_scaled_positions(), atoms.numbers),
        _SYMMETRY_TOLERANCE,
    )
    rotations = [np.eye(3)] if symmetry is None else symmetry["rotations"]
    cartesian = [cell.T @ r @ np.linalg.inv(cell.T) for r in rotations]
    average = np.mean([np.kron(r, r) for r in cartesian], axis=0)
    swap = np.eye(9).reshape(3, 3, 9).transpose(1, 0, 2).reshape(9, 9)
    # The group average, made symmetric, projects onto the invariant tensors: eigenvalue 1.
    values, vectors = np.linalg.eigh(0.25 * (average + average.T) @ (np.eye(9) + swap))
    kept = vectors[:, values > 0.99].T.reshape(-1, 3, 3)
    return np.asarray(0.5 * (kept + kept.transpose(0, 2, 1)), dtype=float)


def probing_directions(basis: Floats) -> list[Floats]:
    """Return the fewest directions that fix an invariant tensor, shape (3,) each, unit length."""
    chosen: list[Floats] = []
    for candidate in _DIRECTIONS:
        direction = np.array(candidate, dtype=float) / math.sqrt(sum(abs(c) for c in candidate))
        rows = [_projections(basis, d) for d in [*chosen, direction]]
        if np.linalg.matrix_rank(np.array(rows), tol=1e-6) > len(chosen):
            chosen.append(direction)
    return chosen


def tensor_from_directions(basis: Floats, directions: list[Floats], constants: Floats) -> Floats:
    """Return the tensor e whose longitudinal constants d.e.d are these.

    Parameters
    ----------
    basis
        Of :func:`invariant_tensors`.
    directions
        Unit vectors d.
    constants
        One for each direction.
    """
    rows = np.array([_projections(basis, d) for d in directions])
    coefficients = np.linalg.solve(rows, constants)
    return np.asarray(np.einsum("n,nij->ij", coefficients, basis), dtype=float)


def _projections(basis: Floats, direction: Floats) -> Floats:
    return np.asarray(np.einsum("i,nij,j->n", direction, basis, direction), dtype=float)


def _bands(
    atoms: Atoms, settings: dict[str, Any], kpts: dict[str, Any], report: Callable[[str], None]
) -> tuple[Any, int]:
    """Return a calculator with converged empty bands on the mesh of the response, and their number."""
    n_occupied = ground_state.count_occupied_bands(atoms)
    n_bands = count_bands(n_occupied, atoms.get_volume(), settings["dielectric_band_energy"])
    report(f"{n_bands} bands on a mesh of {'x'.join(map(str, kpts['size']))}")
    tolerance = max(settings["eigenstates_tolerance"], _GROUND_STATE_TOLERANCE)
    calculator = ground_state.make_calculator(
        atoms, settings | {"eigenstates_tolerance": tolerance}, kpts=kpts
    )
    ground_state.converge(calculator, atoms, report)
    valence, conduction = ground_state.band_edges_on_mesh(calculator, atoms)
    ground_state.require_insulator(conduction - valence, atoms)
    # A few bands above those that count let the highest of them converge.
    converged = calculator.fixed_density(
        nbands=n_bands + max(4, n_bands // 8),
        convergence={"bands": n_bands, "eigenstates": _EIGENSTATES_TOLERANCE},
        update_fermi_level=True,
        txt=None,
    )
    return converged, n_bands


def _constants(
    calculator: Any, settings: dict[str, Any], n_bands: int, directions: list[Floats]
) -> list[tuple[float, float, float]]:
    """Return the constant in each direction: without local fields, with them (RPA), with kernel too."""
    from gpaw.mpi import world
    from gpaw.response.df import DielectricFunction

    ground: Any = calculator
    file = Path("response.gpw")
    if world.size > 1:  # the response code distributes a ground state only when it reads it
        calculator.write(str(file), mode="all")
        world.barrier()
        ground = str(file)
    response = DielectricFunction(
        ground,
        frequencies=[0.0],
        hilbert=False,
        eta=_BROADENING,
        ecut=settings["dielectric_cutoff"],
        nbands=n_bands,
        intraband=False,
        txt=None,
    )
    random_phase = response.get_chi0_dyson_eqs(xc="RPA")
    equations = response.get_chi0_dyson_eqs(xc="ALDA")
    kernels: dict[str, Any] = {}
    compute = equations.xc_kernel

    def kernel(qpd: Any, chi0_wGG: Any = None) -> Any:  # noqa: N803 - GPAW's name
        if "static" not in kernels:
            kernels["static"] = compute(qpd, chi0_wGG=chi0_wGG)
        return kernels["static"]

    equations.xc_kernel = kernel  # it does not depend on the direction
    constants = []
    for direction in directions:
        bare, rpa = random_phase.inverse_dielectric_function(direction).dielectric_constant()
        _, full = equations.inverse_dielectric_function(direction).dielectric_constant()
        constants.append((float(bare), float(rpa), float(full)))
    world.barrier()
    if world.size > 1 and world.rank == 0:
        file.unlink()
    return constants


def _checks(full: Floats, bare: Floats) -> list[Check]:
    values = np.linalg.eigvalsh(full)
    if not (np.isfinite(values).all() and values.min() > 1.0):
        raise EngineError(
            f"the dielectric tensor has eigenvalues {', '.join(f'{v:.2f}' for v in values)}",
            "finite numbers above 1",
            "check the structure; the gap may be too small for the k mesh",
        )
    share = 1.0 - float(np.trace(full) / np.trace(bare))
    return [
        within(
            "local_field_share",
            share,
            _LARGEST_LOCAL_FIELD,
            "1",
            "relative reduction of the dielectric constant by local fields and the kernel",
        )
    ]
