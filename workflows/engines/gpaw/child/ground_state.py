"""The self-consistent PBEsol ground state (child side: runs under ``gpaw python``, maybe with MPI)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ase import Atoms
from ase.units import Ha
from gpaw import KohnShamConvergenceError
from gpaw.dft import Parameters
from gpaw.mpi import broadcast_exception, broadcast_float, world
from gpaw.new.ase_interface import GPAW
from gpaw.new.symmetry import SymmetryAnalysisBug

from surfalign.errors import ConvergenceError, EngineError, MetallicError
from surfalign.workflows.engines.gpaw.datasets import Dataset, datasets
from surfalign.workflows.engines.gpaw.machine import split_processes
from surfalign.workflows.engines.gpaw.meshes import grid_spacing

#: Shows one line of progress.
Report = Callable[[str], None]

#: Tolerances of a relaxation's steps before the last, in the units of the settings. Looser ones save no
#: time: with a density tolerance of 1e-3 the level of MgO(100) was 0.03 eV off, with eigenstates to 1e-4
#: the forces on TiO2(110) 0.12 eV/angstrom, and the Hessian learnt this noise.
LOOSE_TOLERANCES = {"energy": 1e-5, "density": 2e-4, "eigenstates": 1e-6}
#: Gaps below it count as closed, eV.
SMALLEST_GAP = 0.05
#: For densities that slosh: little of the new one, a short memory, long waves damped.
GENTLE_MIXER = {"name": "pulay", "beta": 0.02, "nmaxold": 8, "weight": 100.0}


def load_datasets(atoms: Atoms) -> dict[str, Dataset]:
    """Make the datasets of all elements available to GPAW, generating what is absent on rank 0."""
    import gpaw

    elements = sorted(set(atoms.get_chemical_symbols()))
    with broadcast_exception(world):
        if world.rank == 0:
            datasets(elements)
    found = datasets(elements)
    folder = str(next(iter(found.values())).path.parent)
    if folder not in gpaw.setup_paths:
        gpaw.setup_paths.insert(0, folder)
    return found


def count_occupied_bands(atoms: Atoms) -> int:
    """Return the number of doubly occupied bands of the neutral, closed-shell cell."""
    found = load_datasets(atoms)
    electrons = sum(found[symbol].n_valence for symbol in atoms.get_chemical_symbols())
    return math.ceil(electrons / 2 - 1e-6)


def make_calculator(
    atoms: Atoms,
    settings: dict[str, Any],
    *,
    kpts: dict[str, Any],
    nbands: int | None = None,
    converge_bands: int | None = None,
    txt: str | None = "gpaw.txt",
    **overrides: Any,
) -> Any:
    """Return a GPAW calculator (plane waves, PBEsol) for these atoms; nothing is computed yet.

    Parameters
    ----------
    atoms
        Cell with periodic boundary conditions along all axes.
    settings
        ``GpawSettings.numerical()``.
    kpts
        GPAW's ``kpts``; see ``Mesh.gpaw``.
    nbands
        Bands; None for the occupied ones and ``empty_band_fraction`` more (at least four).
    converge_bands
        Bands held to the eigenstate tolerance; None for the occupied ones.
    txt
        GPAW's own log.
    overrides
        Any parameter of GPAW, e.g. ``occupations``, ``mixer``, ``poissonsolver``; not ``symmetry``,
        which the count of k-points would not see.
    """
    occupied = count_occupied_bands(atoms)
    parameters: dict[str, Any] = {
        "mode": {"name": "pw", "ecut": settings["cutoff"]},
        "h": grid_spacing(settings["cutoff"], settings["grid_spacing"]),
        "xc": "PBEsol",
        "kpts": kpts,
        "nbands": nbands or default_bands(occupied, settings),
        "occupations": {"name": "fermi-dirac", "width": settings["smearing"]},
        "convergence": criteria(settings) | {"bands": converge_bands or "occupied"},
        "maxiter": settings["max_scf_iterations"],
        "txt": txt,
        "parallel": _parallel(atoms, kpts),
        **_symmetry(atoms),
    }
    return GPAW(**(parameters | overrides))


def criteria(settings: dict[str, Any], precise: bool = True) -> dict[str, Any]:
    """Return GPAW's ``convergence`` of a ground state.

    Parameters
    ----------
    settings
        ``GpawSettings.numerical()``.
    precise
        Whether its tolerances hold; else those of a relaxation's steps before the last, where they are
        looser.
    """
    chosen = {
        "energy": settings["energy_tolerance"],
        "density": settings["density_tolerance"],
        "eigenstates": settings["eigenstates_tolerance"],
    }
    if not precise:
        chosen = {name: max(value, LOOSE_TOLERANCES[name]) for name, value in chosen.items()}
    return {**chosen, "bands": "occupied"}


def default_bands(occupied: int, settings: dict[str, Any]) -> int:
    """Return the number of bands of an ordinary ground state."""
    fraction: float = settings["empty_band_fraction"]
    return occupied + max(4, math.ceil(fraction * occupied))


@dataclass(frozen=True)
class SelfConsistency:
    """How an SCF ended.

    Parameters
    ----------
    n_iterations
        Iterations made.
    density_change
        Integrated density change of the last one, per valence electron.
    """

    n_iterations: int = 0
    density_change: float = math.inf


def converge(calculator: Any, atoms: Atoms, report: Report) -> SelfConsistency:
    """Run the SCF, reporting each iteration.

    Raises
    ------
    ConvergenceError
        When the iterations do not converge.
    """
    last, state = math.nan, SelfConsistency()
    try:
        for context in calculator.iconverge(atoms):
            energy = context.energies.total_extrapolated * Ha
            change = "" if math.isnan(last) else f", energy change {abs(energy - last):.1e} eV"
            report(f"SCF iteration {context.niter}{change}")
            last = energy
            density_change = broadcast_float(context.dens.error, world) / context.wfs.nvalence
            state = SelfConsistency(context.niter, float(density_change))
    except KohnShamConvergenceError as error:
        raise ConvergenceError(
            f"the electronic ground state of {atoms.get_chemical_formula()} did not converge",
            f"convergence within {calculator.params.maxiter} iterations",
            "check the structure; it may be metallic or magnetic",
        ) from error
    return state


def can_divide_points() -> bool:
    """Return whether several processes can share one k-point: GPAW needs ScaLAPACK for it."""
    from gpaw.utilities import compiled_with_sl

    return bool(compiled_with_sl())


def count_k_points(atoms: Atoms, kpts: dict[str, Any]) -> int:
    """Return the number of irreducible k-points as GPAW finds them, before anything is computed.

    Parameters
    ----------
    atoms
        The cell.
    kpts
        GPAW's ``kpts``.
    """
    parameters = Parameters(mode="pw", kpts=kpts, **_symmetry(atoms))
    # The ground state looks for symmetry with the tolerance of GPAW's former code, which is finer.
    symmetries = parameters.symmetry.build(atoms, _backwards_compatible=True)
    return len(parameters.kpts.build(atoms).reduce(symmetries, strict=False))


def _symmetry(atoms: Atoms) -> dict[str, Any]:
    """Return GPAW's ``symmetry`` where it must not look for operations; nothing elsewhere.

    GPAW 26.7 knows operations with entries of -1, 0 and 1 alone. In a leaning cell, as bulk cells oriented
    like a slab may be, some of a group have larger ones; GPAW then finds a part of it that is no group, and
    ends. Without operations the levels are the same, from more k-points.
    """
    try:
        Parameters(mode="pw").symmetry.build(atoms, _backwards_compatible=True)
    except SymmetryAnalysisBug:
        return {"symmetry": {"point_group": False}}
    return {}


def _parallel(atoms: Atoms, kpts: dict[str, Any]) -> dict[str, int]:
    """Return GPAW's ``parallel`` for all processes of this job.

    Raises
    ------
    EngineError
        When there are more processes than k-points, and no ScaLAPACK to share one.
    """
    if world.size == 1:
        return {}
    n_k_points = count_k_points(atoms, kpts)
    split = split_processes(
        world.size, n_k_points, len(atoms), can_divide_points=can_divide_points()
    )
    if split is None:
        raise EngineError(
            f"{world.size} processes cannot share {n_k_points} k-points: this GPAW has no ScaLAPACK",
            f"at most {n_k_points} processes",
            f"run with --cores {n_k_points}, or build GPAW with ScaLAPACK (docs/how-to/install.md)",
        )
    return split.gpaw()


def band_edges_on_mesh(calculator: Any, atoms: Atoms) -> tuple[float, float]:
    """Return the highest occupied and the lowest empty eigenvalue (eV) of a converged calculation."""
    occupied = count_occupied_bands(atoms)
    eigenvalues = calculator.eigenvalues()[0]
    return float(eigenvalues[:, occupied - 1].max()), float(eigenvalues[:, occupied].min())


def require_insulator(gap: float, atoms: Atoms) -> None:
    """Check that a gap is open.

    Raises
    ------
    MetallicError
        When it is not.
    """
    if gap < SMALLEST_GAP:
        raise MetallicError(
            f"the PBEsol band gap of {atoms.get_chemical_formula(mode='metal')} closes ({gap:.2f} eV)",
            f"a gap above {SMALLEST_GAP} eV",
            "ionization potential and electron affinity are defined for insulators only",
        )
