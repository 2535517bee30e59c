"""How many processes, and how much memory: what the machine gives and what a calculation needs."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from surfalign.errors import InsufficientMemoryError, MissingDependencyError
from surfalign.settings import Settings
from surfalign.units import BOHR, HARTREE
from surfalign.workflows.engines.gpaw import meshes

#: Memory of one engine process whatever it computes: libraries and the eigensolver's buffers, GB.
BASE_MEMORY = 0.22
#: Grid arrays of the density that are alive at once: density, potentials and the mixer's history.
_DENSITY_ARRAYS = 120
#: Wave-function-sized arrays alive at once in the eigensolver.
_WAVE_FUNCTION_ARRAYS = 3.0
#: Atoms for each process that shares one k-point; measured: 10 atoms on two processes were no faster
#: than on one, 20 atoms 1.6 times.
_ATOMS_PER_DOMAIN = 10
#: So many processes at one k-point are as fast as their number to this power.
_DOMAIN_EFFICIENCY = 0.7

_GIGABYTE = 1e9


@dataclass(frozen=True)
class Split:
    """How processes share the work of one mesh.

    Parameters
    ----------
    k_points
        Groups of processes, each with k-points of its own.
    domains
        Processes in a group, which share the plane waves of each k-point.
    time
        Expected time, in units of one k-point on one process.
    """

    k_points: int
    domains: int
    time: float

    def gpaw(self) -> dict[str, int]:
        """Return GPAW's ``parallel``; left to itself it divides k-points that need no division."""
        return {"kpt": self.k_points, "domain": self.domains, "band": 1}


def split_processes(
    processes: int, n_k_points: int, n_atoms: int, *, can_divide_points: bool
) -> Split | None:
    """Return how a number of processes best shares one mesh, or None where it cannot.

    Parameters
    ----------
    processes
        MPI processes; all of them must have something to do.
    n_k_points
        Irreducible k-points.
    n_atoms
        Atoms of the cell: they bound the useful division of one k-point's plane waves.
    can_divide_points
        Whether several processes can share one k-point, for which GPAW needs ScaLAPACK.
    """
    domains = range(1, processes + 1) if can_divide_points else (1,)
    splits = [
        Split(processes // n, n, _time(n_k_points, processes // n, n, n_atoms))
        for n in domains
        if processes % n == 0 and processes // n <= n_k_points
    ]
    return min(splits, key=lambda split: split.time, default=None)


def choose_processes(
    cores: int, n_k_points: Sequence[int], n_atoms: int, *, can_divide_points: bool
) -> int:
    """Return how many processes do a calculation in the shortest time, the fewest of equal ones.

    Parameters
    ----------
    cores
        Cores that may be used.
    n_k_points
        Irreducible k-points of each mesh that the calculation goes through.
    n_atoms, can_divide_points
        As in :func:`split_processes`.
    """
    best, shortest = 1, float(sum(n_k_points))
    for processes in range(2, cores + 1):
        splits = [
            split_processes(processes, n, n_atoms, can_divide_points=can_divide_points)
            for n in n_k_points
        ]
        time = sum(math.inf if split is None else split.time for split in splits)
        if time < shortest:
            best, shortest = processes, time
    return best


def _time(n_k_points: int, groups: int, domains: int, n_atoms: int) -> float:
    """Return the time of a mesh in units of one k-point on one process."""
    useful = max(1, min(domains, n_atoms // _ATOMS_PER_DOMAIN))
    return math.ceil(n_k_points / groups) / float(useful**_DOMAIN_EFFICIENCY)


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
    *,
    volume: float,
    cutoff: float,
    grid_spacing: float,
    n_bands: int,
    n_k_points: int,
    processes: int,
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
    grid_spacing
        Largest spacing of the real-space grid, angstrom.
    n_bands, n_k_points
        Bands, and irreducible k-points.
    processes
        MPI processes.

    Returns
    -------
    float
        GB.
    """
    volume_bohr = volume / BOHR**3
    wave_functions = 16 * count_plane_waves(volume, cutoff) * n_bands
    stored = wave_functions * n_k_points
    work = wave_functions * _WAVE_FUNCTION_ARRAYS * min(processes, n_k_points)
    points = BOHR / meshes.grid_spacing(cutoff, grid_spacing)  # along each bohr
    n_grid = volume_bohr * points**3 * 1.4
    grids = 8 * n_grid * _DENSITY_ARRAYS * min(processes, n_k_points)
    return processes * BASE_MEMORY + (stored + work + grids) / _GIGABYTE


def count_plane_waves(volume: float, energy: float) -> float:
    """Return how many plane waves a cell has below an energy, V k^3 / 6 pi^2.

    Parameters
    ----------
    volume
        Of the cell, angstrom^3.
    energy
        Kinetic energy, eV.
    """
    wave_number = math.sqrt(2 * energy / HARTREE)
    return volume / BOHR**3 * wave_number**3 / (6 * math.pi**2)


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
