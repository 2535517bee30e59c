"""What a VASP calculation costs, from electrons, k-points and plane waves.

Plain formulas, explained in docs/explanation/vasp-resources.md. They count floating-point operations and
divide by what one core, or one GPU, sustains in such codes; they are meant to be right within a factor
of three, and the wall time that is asked for carries that factor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pymatgen.core import Structure
from pymatgen.io.vasp import Kpoints

from surfalign.units import BOHR, HARTREE
from surfalign.workflows.engines.step_resources import Kind, StepResources
from surfalign.workflows.engines.vasp.inputs.kpoints import number_of_points
from surfalign.workflows.engines.vasp.inputs.potentials import valence_electrons

_RYDBERG = HARTREE / 2  # eV
_GIGABYTE = 1e9

#: Operations per second of Fourier transforms, and of matrix products, of one core and of one GPU.
RATES: dict[Kind, tuple[float, float]] = {"cpu": (1.5e9, 1e10), "gpu": (3e11, 3e12)}
#: Projectors of an ion: two for each of s and p, and of d where the valence holds one.
_PROJECTORS, _PROJECTORS_WITH_D = 8, 18
#: Applications of the Hamiltonian to each band in one cycle of blocked Davidson.
_APPLICATIONS = 4
#: Cycles of one self-consistency, of one ionic step after the first, and of one direction of a response.
SCF_CYCLES, IONIC_CYCLES, RESPONSE_CYCLES = 18, 10, 20
#: Ionic steps of a typical relaxation.
IONIC_STEPS = 15
#: Start, symmetry, potentials and files of one calculation, s.
START_TIME = 60.0
#: The wall time asked for is this many times the expected one, and at least half an hour.
MARGIN, LEAST_WALL_TIME = 3.0, 1800.0
#: Expected time that a step is spread over processors for, s.
_TARGET_TIME = 3600.0
MOST_PROCESSORS: dict[Kind, int] = {"cpu": 256, "gpu": 8}
#: Memory of one process whatever it computes, GB.
_BASE_MEMORY: dict[Kind, float] = {"cpu": 0.25, "gpu": 4.0}


@dataclass(frozen=True)
class Size:
    """The numbers that set the cost of a calculation.

    Parameters
    ----------
    n_electrons, n_ions, n_bands, n_occupied, n_k_points
        Of the cell; bands by VASP's rule, k-points after symmetry.
    n_plane_waves
        Plane waves of one band, V k^3 / 6 pi^2.
    n_grid
        Points of the grid on which a band is transformed.
    n_projectors
        Projectors of all ions.
    """

    n_electrons: int
    n_ions: int
    n_bands: int
    n_occupied: int
    n_k_points: int
    n_plane_waves: float
    n_grid: float
    n_projectors: int


def size_of(
    structure: Structure, cutoff: float, kpoints: Kpoints, *, spinors: bool = False
) -> Size:
    """Return the size of a calculation.

    Parameters
    ----------
    structure
        The cell.
    cutoff
        Plane-wave cut-off, eV.
    kpoints
        The KPOINTS file.
    spinors
        Whether the orbitals have two components (spin-orbit coupling).
    """
    electrons = valence_electrons(structure)
    wave_vector = math.sqrt(cutoff / _RYDBERG) / BOHR
    plane_waves = structure.volume * wave_vector**3 / (6 * math.pi**2)
    # the box around a sphere of twice the radius: 64 k^3 V / (2 pi)^3
    grid = structure.volume * (4 * wave_vector) ** 3 / (2 * math.pi) ** 3
    components = 2 if spinors else 1
    return Size(
        n_electrons=electrons,
        n_ions=len(structure),
        n_bands=default_bands(structure, spinors=spinors),
        n_occupied=(electrons + 1) // 2 * components,
        n_k_points=number_of_points(kpoints, structure),
        n_plane_waves=plane_waves * components,
        n_grid=grid * components,
        n_projectors=sum(
            _PROJECTORS_WITH_D if site.specie.Z > 20 else _PROJECTORS for site in structure
        ),
    )


def default_bands(structure: Structure, *, spinors: bool = False) -> int:
    """Return the bands that VASP takes where NBANDS is not given."""
    electrons, ions = valence_electrons(structure), len(structure)
    bands = max((electrons + 2) // 2 + max(ions // 2, 3), int(0.6 * electrons))
    return 2 * bands if spinors else bands


@dataclass(frozen=True)
class Work:
    """Floating-point operations, by what limits them.

    Parameters
    ----------
    fourier
        Of Fourier transforms, which wait for memory.
    products
        Of products of matrices, which keep the processors busy.
    """

    fourier: float = 0.0
    products: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(self.fourier + other.fourier, self.products + other.products)

    def __mul__(self, factor: float) -> Work:
        return Work(self.fourier * factor, self.products * factor)

    def seconds(self, kind: Kind) -> float:
        """Return the time on one core or one GPU, s."""
        fourier, products = RATES[kind]
        return self.fourier / fourier + self.products / products


def cycle_work(size: Size) -> Work:
    """Return the work of one self-consistency cycle.

    For each application of the Hamiltonian to a band: two Fourier transforms (5 N log2 N each), and
    the overlaps with all projectors and back (8 operations a plane wave each); for each pair of bands:
    the matrices of Hamiltonian and overlap, orthogonalisation and rotation (8 a plane wave each).
    """
    transforms = _APPLICATIONS * size.n_bands * 2 * _transform(size)
    projectors = _APPLICATIONS * 16 * size.n_bands * size.n_plane_waves * size.n_projectors
    pairs = 4 * 8 * size.n_bands**2 * size.n_plane_waves
    return Work(transforms, projectors + pairs) * size.n_k_points


def exchange_work(size: Size, n_mesh_points: int) -> Work:
    """Return the work of one application of exact exchange to all bands.

    Two transforms for each pair of a band with an occupied band of each point of the whole mesh.
    """
    pairs = size.n_bands * size.n_occupied
    return Work(size.n_k_points * n_mesh_points * pairs * 2 * _transform(size))


def _transform(size: Size) -> float:
    return 5 * size.n_grid * math.log2(max(size.n_grid, 2))


def estimate(size: Size, work: Work, kind: Kind, n_calculations: int = 1) -> StepResources:
    """Turn the work of a step into what to ask a queue for.

    Parameters
    ----------
    size
        Size of the largest calculation of the step.
    work
        Work of the whole step.
    kind
        ``cpu`` or ``gpu``.
    n_calculations
        Calculations of the step, each with a start of its own.
    """
    seconds = work.seconds(kind)
    useful = size.n_k_points * max(1, size.n_bands // 4) if kind == "cpu" else size.n_k_points
    wanted = min(math.ceil(seconds / _TARGET_TIME), useful, MOST_PROCESSORS[kind])
    smallest = 4 if kind == "cpu" else 1
    processors = max(smallest, 2 ** math.floor(math.log2(max(wanted, 1))))
    expected = seconds / processors + START_TIME * n_calculations
    return StepResources(
        kind=kind,
        cores=processors,
        gpus=processors if kind == "gpu" else 0,
        memory=round(memory(size, processors, kind), 1),
        wall_time=max(LEAST_WALL_TIME, math.ceil(MARGIN * expected / 600) * 600.0),
        core_hours=round(processors * expected / 3600, 2),
        processor_memory=_BASE_MEMORY[kind],
    )


def memory(size: Size, processors: int, kind: Kind) -> float:
    """Return the memory of a calculation, GB.

    Orbitals (16 bytes a plane wave, twice: with their gradients), ten arrays on the density's grid,
    and a share of every process.
    """
    orbitals = 2 * 16 * size.n_k_points * size.n_bands * size.n_plane_waves
    density = 10 * 16 * 8 * size.n_grid
    return (orbitals + density) / _GIGABYTE + _BASE_MEMORY[kind] * processors


def parallel_tags(
    n_k_points: int,
    cores: int,
    *,
    gpus: int = 0,
    response: bool = False,
    node_cores: int | None = None,
) -> dict[str, int]:
    """Choose KPAR and NCORE for the machine that runs a calculation.

    k-points are independent, so as many groups as divide the cores and waste less than a quarter of
    them; within a group, about the square root of its cores share a band. GPUs and linear response
    need NCORE = 1.

    Parameters
    ----------
    n_k_points
        k-points after symmetry.
    cores
        MPI processes; with GPUs, one for each.
    gpus
        Accelerators.
    response
        Whether it is a linear-response calculation.
    node_cores
        MPI processes on each of several nodes: the cores that share a band lie on one.
    """
    processes = gpus or cores
    divisors = [d for d in range(1, processes + 1) if processes % d == 0]
    efficient = [
        d
        for d in divisors
        if d <= n_k_points and n_k_points / (d * math.ceil(n_k_points / d)) >= 0.75
    ]
    kpar = max(efficient, default=1)
    group = processes // kpar
    near = [d for d in divisors if (node_cores or group) % d == 0]
    shared = [d for d in near if group % d == 0 and d * d <= group]
    ncore = 1 if gpus or response else max(shared, default=1)
    return {"KPAR": kpar, "NCORE": ncore}
