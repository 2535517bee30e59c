"""What a step of the embedded engine costs: from electrons, k-points and plane waves.

A self-consistent ground state spends its time on Fourier transforms of bands (k-points x bands x grid)
and on products of bands with bands (k-points x bands^2 x plane waves); the other steps are a ground
state and one loop more. The rates are fitted to finished steps of one core; ``benchmarks/gpaw_cost.py``
compares them with the steps of any store. The wall time to ask for carries a factor of three.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Composition, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from surfalign.stores.documents import Functional, Quality
from surfalign.workflows.engines.gpaw.datasets import VALENCE_ELECTRONS, require_supported
from surfalign.workflows.engines.gpaw.machine import (
    BASE_MEMORY,
    choose_processes,
    count_plane_waves,
    estimate_memory,
)
from surfalign.workflows.engines.gpaw.meshes import Kind, Mesh, grid_spacing, mesh
from surfalign.workflows.engines.gpaw.settings import GpawSettings
from surfalign.workflows.engines.step_resources import StepResources

#: Start of a process, datasets and grids, s.
START_TIME = 2.7
#: One self-consistent ground state: s for 1e9 points of grid x log2(points) x bands x k-points, and for
#: 1e9 plane waves x bands^2 x k-points.
_TRANSFORMS, _PRODUCTS = 108.0, 69.0
#: Linear response: s for 1e6 points of the whole mesh x bands x plane waves x directions of the field.
_RESPONSE = 2.3
#: Exchange of one state with all occupied ones, tried at the band edges: s for 1e6 points of the whole mesh
#: x occupied bands x points of the grid; the self-consistency correction costs so many times as much.
_EXCHANGE, _SELF_CONSISTENCY = 1.5, 6.0
#: Memory of these steps in units of their ground state's.
RESPONSE_MEMORY, EXCHANGE_MEMORY = 3.0, 2.0
#: Evaluations of a bulk crystal whose ions may move.
_BULK_EVALUATIONS = 4
#: Evaluations of a relaxation at each quality; other settings count as the middle one.
_EVALUATIONS = {Quality.QUICK.value: 3, Quality.STANDARD.value: 5, Quality.CONVERGED.value: 10}
#: Valence electrons by which an element without a dataset counts where only costs are compared.
_TYPICAL_ELECTRONS = 12
#: Constants of the dielectric tensor, each of which takes a direction of the field.
_DIRECTIONS = {
    "cubic": 1,
    "hexagonal": 2,
    "trigonal": 2,
    "tetragonal": 2,
    "orthorhombic": 3,
    "monoclinic": 4,
    "triclinic": 6,
}
_SYMPREC = 0.01  # angstrom
#: The wall time asked for is this many times the expected one, and at least half an hour.
_MARGIN, _LEAST_WALL_TIME = 3.0, 1800.0
#: Expected time that a step is spread over processes for, s, and the most processes.
_TARGET_TIME, _MOST_PROCESSES = 1800.0, 64


@dataclass(frozen=True)
class CellSize:
    """The numbers that set the cost of a ground state.

    Parameters
    ----------
    n_atoms, n_electrons
        Atoms and valence electrons of the cell.
    n_k_points
        Irreducible k-points.
    n_mesh_points
        Points of the whole mesh.
    volume
        Of the cell, angstrom^3.
    cutoff
        Of the plane waves, eV.
    spacing
        Of the real-space grid, angstrom.
    """

    n_atoms: int
    n_electrons: float
    n_k_points: int
    n_mesh_points: int
    volume: float
    cutoff: float
    spacing: float

    @property
    def n_occupied(self) -> int:
        """Occupied bands."""
        return math.ceil(self.n_electrons / 2)

    @property
    def n_bands(self) -> int:
        """Bands of an ordinary ground state."""
        return self.n_occupied + max(4, math.ceil(0.1 * self.n_occupied))

    @property
    def n_plane_waves(self) -> float:
        """Plane waves of one band."""
        return count_plane_waves(self.volume, self.cutoff)

    @property
    def n_grid(self) -> float:
        """Points of the real-space grid."""
        return self.volume / self.spacing**3


def cell_size(structure: Structure, settings: GpawSettings, kind: Kind) -> CellSize:
    """Return the size of the ground state of a cell.

    Parameters
    ----------
    structure
        The cell.
    settings
        Numerical settings.
    kind
        Which mesh it takes.

    Raises
    ------
    MissingDatasetError
        When there is no dataset for an element.
    """
    return _cell_size(structure, settings, kind, n_electrons(structure.composition))


def _cell_size(
    structure: Structure, settings: GpawSettings, kind: Kind, electrons: float
) -> CellSize:
    points = mesh(structure.lattice.matrix, settings.k_spacing, kind)
    return CellSize(
        n_atoms=len(structure),
        n_electrons=electrons,
        n_k_points=_irreducible(structure, points),
        n_mesh_points=points.n_points,
        volume=structure.volume,
        cutoff=settings.cutoff,
        spacing=grid_spacing(settings.cutoff, settings.grid_spacing),
    )


def n_electrons(composition: Composition) -> float:
    """Return the valence electrons of a composition.

    Raises
    ------
    MissingDatasetError
        When there is no dataset for an element.
    """
    amounts = composition.get_el_amt_dict()
    require_supported(amounts)
    return float(sum(VALENCE_ELECTRONS[element] * amount for element, amount in amounts.items()))


def _likely_electrons(composition: Composition) -> float:
    """Return about how many valence electrons a composition has, whatever its elements are."""
    amounts = composition.get_el_amt_dict()
    return sum(VALENCE_ELECTRONS.get(el, _TYPICAL_ELECTRONS) * n for el, n in amounts.items())


def _irreducible(structure: Structure, points: Mesh) -> int:
    """Return the irreducible points of a mesh; one that is not centred is shifted along even axes."""
    a, b, c = (0 if points.gamma else (n + 1) % 2 for n in points.size)
    return len(_symmetry(structure).get_ir_reciprocal_mesh(points.size, is_shift=(a, b, c)))


def _symmetry(structure: Structure) -> SpacegroupAnalyzer:
    return SpacegroupAnalyzer(structure, symprec=_SYMPREC)


def ground_state_time(size: CellSize, evaluations: int = 1) -> float:
    """Return the processor time of self-consistent ground states of one cell, s.

    Parameters
    ----------
    size
        Of the cell.
    evaluations
        Ground states one after the other, as in a relaxation.
    """
    bands = size.n_k_points * size.n_bands
    transforms = bands * size.n_grid * math.log2(max(size.n_grid, 2)) * 1e-9
    products = bands * size.n_bands * size.n_plane_waves * 1e-9
    return START_TIME + evaluations * (_TRANSFORMS * transforms + _PRODUCTS * products)


def bulk_time(size: CellSize, *, relaxed: bool) -> float:
    """Return the processor time of the ground state of a bulk cell, whose ions may move or not, s."""
    return ground_state_time(size, _BULK_EVALUATIONS if relaxed else 1)


def slab_time(
    composition: Composition,
    area: float,
    height: float,
    settings: GpawSettings,
    *,
    relaxed: bool = False,
) -> float:
    """Return the processor time of a slab of which no structure is at hand, s.

    The cell is taken for a square one whose symmetry leaves a quarter of the k-points.

    Parameters
    ----------
    composition
        Of the slab's cell. An element without a dataset counts as one with twelve electrons.
    area
        Of the cell's face, angstrom^2.
    height
        Of the cell, vacuum included, angstrom.
    settings
        Numerical settings.
    relaxed
        Whether it is relaxed; else one ground state is computed.
    """
    side = math.sqrt(area)
    points = mesh(np.diag([side, side, height]), settings.k_spacing, "slab").n_points
    size = CellSize(
        n_atoms=round(composition.num_atoms),
        n_electrons=_likely_electrons(composition),
        n_k_points=max(1, points // 4),
        n_mesh_points=points,
        volume=area * height,
        cutoff=settings.cutoff,
        spacing=grid_spacing(settings.cutoff, settings.grid_spacing),
    )
    return relaxation_time(size, settings) if relaxed else ground_state_time(size)


def relaxation_time(size: CellSize, settings: GpawSettings) -> float:
    """Return the processor time of the relaxation of a slab, s."""
    evaluations = _EVALUATIONS.get(settings.quality, _EVALUATIONS[Quality.STANDARD.value])
    return ground_state_time(size, evaluations)


def dielectric_time(size: CellSize, structure: Structure, settings: GpawSettings) -> float:
    """Return the processor time of the dielectric tensor of a bulk crystal, s."""
    points = mesh(structure.lattice.matrix, settings.dielectric_k_spacing, "bulk").n_points
    bands = size.n_occupied + count_plane_waves(size.volume, settings.dielectric_band_energy)
    directions = _DIRECTIONS[_symmetry(structure).get_crystal_system()]
    loop = points * bands * size.n_plane_waves * directions * 1e-6
    return ground_state_time(size) + _RESPONSE * loop


def band_edges_time(
    size: CellSize, structure: Structure, settings: GpawSettings, *, hybrid: bool
) -> float:
    """Return the processor time of the band edges of a bulk crystal, s."""
    time = ground_state_time(size)
    if hybrid:
        points = mesh(structure.lattice.matrix, settings.hybrid_k_spacing, "bulk").n_points
        exchange = _EXCHANGE * points * size.n_occupied * size.n_grid * 1e-6
        time += exchange * (1 + _SELF_CONSISTENCY * settings.self_consistent_exchange)
    return time


def crystal_time(structure: Structure, settings: GpawSettings, functional: Functional) -> float:
    """Return the processor time of all that the surfaces of a crystal share, s.

    The bulk, the dielectric tensor where the functional takes its exchange from it, and the band edges. An element
    without a dataset counts as one with twelve electrons.

    Parameters
    ----------
    structure
        Primitive cell.
    settings
        Numerical settings.
    functional
        Of the band edges.
    """
    size = _cell_size(structure, settings, "bulk", _likely_electrons(structure.composition))
    time = bulk_time(size, relaxed=True)
    if functional == Functional.DDH:
        time += dielectric_time(size, structure, settings)
    hybrid = functional != Functional.PBESOL
    return time + band_edges_time(size, structure, settings, hybrid=hybrid)


def step_resources(size: CellSize, seconds: float, memory_factor: float = 1.0) -> StepResources:
    """Return what to ask a queue for.

    Parameters
    ----------
    size
        Of the cell.
    seconds
        Processor time of the step on one core.
    memory_factor
        Memory of the step in units of its ground state's.
    """
    wanted = min(_MOST_PROCESSES, math.ceil(seconds / _TARGET_TIME))
    processes = choose_processes(wanted, [size.n_k_points], size.n_atoms, can_divide_points=False)
    expected = seconds / processes
    needed = estimate_memory(
        volume=size.volume,
        cutoff=size.cutoff,
        grid_spacing=size.spacing,
        n_bands=size.n_bands,
        n_k_points=size.n_k_points,
        processes=processes,
    )
    return StepResources(
        kind="cpu",
        cores=processes,
        gpus=0,
        memory=round(memory_factor * needed, 1),
        wall_time=max(_LEAST_WALL_TIME, math.ceil(_MARGIN * expected / 600) * 600.0),
        core_hours=seconds / 3600,
        processor_memory=BASE_MEMORY,
    )
