"""How many processes, and how much memory: what the machine gives and what a calculation needs."""

from __future__ import annotations

import math
import shutil
import sys

import psutil

from surfalign.errors import InsufficientMemoryError, MissingDependencyError
from surfalign.settings import Settings

#: Memory of one engine process whatever it computes: libraries and the eigensolver's buffers, GB.
BASE_MEMORY = 0.22
#: Grid arrays of the density that are alive at once: density, potentials and the mixer's history.
_DENSITY_ARRAYS = 120
#: Wave-function-sized arrays alive at once in the eigensolver.
_WAVE_FUNCTION_ARRAYS = 3.0
#: Atoms below which splitting the plane waves of one k-point over two processes does not pay.
_ATOMS_PER_DOMAIN = 4

_BOHR = 0.529177210903
_HARTREE = 27.211386245988
_GIGABYTE = 1e9


def memory_limit(settings: Settings) -> float:
    """Return the memory one calculation may use (GB): as set, else what is available now."""
    if settings.memory_limit is not None:
        return settings.memory_limit
    return float(psutil.virtual_memory().available) / _GIGABYTE


def choose_processes(cores: int, n_k_points: int, n_atoms: int) -> int:
    """Return how many processes a calculation can keep busy.

    Parameters
    ----------
    cores
        Cores that may be used.
    n_k_points
        Points of the whole mesh; time reversal at least halves them.
    n_atoms
        Atoms of the cell: they bound the useful split of one k-point's plane waves.
    """
    independent = n_k_points // 2 + 1
    per_k_point = max(1, n_atoms // _ATOMS_PER_DOMAIN)
    return max(1, min(cores, independent * per_k_point))


def launch_command(settings: Settings, processes: int, module: str) -> list[str]:
    """Return the command that runs ``module`` in so many processes.

    Raises
    ------
    MissingDependencyError
        When there is no MPI launcher.
    """
    if processes == 1:
        return [sys.executable, "-m", module]
    run = [sys.executable, "-m", "gpaw", "python", "-m", module]
    if settings.mpi_command:
        return [*settings.mpi_command.format(cores=processes).split(), *run]
    if shutil.which("mpirun") is None:
        raise MissingDependencyError(
            "there is no mpirun, which runs the engine on several cores",
            "Open MPI on the PATH",
            "install openmpi-bin, or run with --cores 1",
        )
    return ["mpirun", "-np", str(processes), "--oversubscribe", "--bind-to", "none", *run]


def estimate_memory(
    *, volume: float, cutoff: float, n_bands: int, n_k_points: int, processes: int
) -> float:
    """Estimate the memory of a plane-wave ground state, all processes together.

    Counts wave functions (complex, 16 bytes), the grids of the density and the processes themselves;
    measured to be within a factor of 1.5 (docs/explanation/gpaw-engine.md).

    Parameters
    ----------
    volume
        Volume of the cell, angstrom^3.
    cutoff
        Plane-wave cut-off, eV.
    n_bands, n_k_points
        Bands, and irreducible k-points.
    processes
        MPI processes.

    Returns
    -------
    float
        GB.
    """
    volume_bohr = volume / _BOHR**3
    k_max = math.sqrt(2 * cutoff / _HARTREE)
    n_plane_waves = volume_bohr * k_max**3 / (6 * math.pi**2)
    wave_functions = 16 * n_plane_waves * n_bands
    stored = wave_functions * n_k_points
    work = wave_functions * _WAVE_FUNCTION_ARRAYS * min(processes, n_k_points)
    n_grid = volume_bohr * (math.sqrt(2) * k_max / math.pi) ** 3 * 1.4
    grids = 8 * n_grid * _DENSITY_ARRAYS * min(processes, n_k_points)
    return processes * BASE_MEMORY + (stored + work + grids) / _GIGABYTE


def require_memory(estimate: float, limit: float, what: str) -> None:
    """Check an estimate against the limit.

    Raises
    ------
    InsufficientMemoryError
        When the estimate exceeds the limit.
    """
    if estimate > limit:
        raise InsufficientMemoryError(
            f"{what} needs about {estimate:.2f} GB of memory",
            f"at most {limit:.2f} GB",
            "raise SURFALIGN_MEMORY_LIMIT, take a smaller cell or quality, or a larger machine",
        )
