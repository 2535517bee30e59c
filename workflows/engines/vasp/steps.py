"""The calculations of each step of the flow, in order: the protocol in one page.

The functions take a runner, so that running, estimating and writing the inputs are the same walk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pymatgen.core import Structure
from pymatgen.electronic_structure.core import Spin
from pymatgen.io.vasp import Kpoints, Vasprun

from surfalign.errors import EngineError, InsufficientMemoryError, MetallicError
from surfalign.workflows.engines.symmetry import faces_are_equivalent
from surfalign.workflows.engines.vasp import kpoints, tags
from surfalign.workflows.engines.vasp.handlers import Task
from surfalign.workflows.engines.vasp.hybrids import HYBRIDS, exchange_fraction
from surfalign.workflows.engines.vasp.resources import default_bands
from surfalign.workflows.engines.vasp.runner import PlannedCalculation, Runner
from surfalign.workflows.engines.vasp.sets import input_set, plain
from surfalign.workflows.engines.vasp.settings import VaspSettings

#: What is tried for a crystal of which nothing has been computed yet (estimates, dry runs).
_GAMMA: list[kpoints.Point] = [(0.0, 0.0, 0.0)]
#: Times that the wave functions of a one-shot hybrid are made anew.
_MOST_RENEWALS = 1


def bulk(run: Runner, settings: VaspSettings, structure: Structure) -> Path:
    """Relax cell and ions twice, then take the energy.

    The basis belongs to the cell a relaxation starts from: the second one starts from the first's.
    """
    mesh = kpoints.bulk_mesh(structure, settings.k_spacing)
    relaxed = structure
    for name in ("relax1", "relax2"):
        inputs = tags.bulk_relaxation(settings, relaxed)
        folder = run.run(_calculation(name, "relaxation", settings, relaxed, inputs, mesh))
        relaxed = run.look(_final_structure(folder), relaxed)
    inputs = tags.bulk_static(settings, relaxed)
    return run.run(_calculation("static", "static", settings, relaxed, inputs, mesh))


def oriented_bulk(run: Runner, settings: VaspSettings, structure: Structure) -> Path:
    """Take the energy of a bulk cell oriented like the slab, with the slab's k-points in the plane."""
    mesh = kpoints.slab_mesh(structure, settings.k_spacing, periodic_normal=True)
    inputs = tags.bulk_static(settings, structure)
    return run.run(_calculation("static", "static", settings, structure, inputs, mesh))


def dielectric(run: Runner, settings: VaspSettings, structure: Structure) -> Path:
    """Compute the electronic dielectric tensor."""
    mesh = kpoints.bulk_mesh(structure, settings.dielectric_k_spacing)
    inputs = tags.dielectric(settings, structure)
    return run.run(_calculation("dfpt", "dfpt", settings, structure, inputs, mesh))


@dataclass(frozen=True)
class EdgeFolders:
    """Where the band edges were computed.

    Parameters
    ----------
    semilocal
        PBEsol at the mesh and the band edges.
    hybrid, self_consistent
        The hybrid, where it was asked for.
    """

    semilocal: Path
    hybrid: Path | None
    self_consistent: Path | None


def band_edges(
    run: Runner,
    settings: VaspSettings,
    structure: Structure,
    functional: str,
    dielectric_constant: float | None,
) -> EdgeFolders:
    """Find the band edges with PBEsol on a dense mesh, and compute the hybrid there.

    Parameters
    ----------
    run
        What runs the calculations.
    settings
        Numerical settings.
    structure
        The bulk crystal.
    functional
        ``ddh``, ``hse06``, ``pbe0`` or ``pbesol``.
    dielectric_constant
        Sets the exchange fraction of ``ddh``.

    Raises
    ------
    MetallicError
        When the gap closes.
    """
    fraction = exchange_fraction(functional, dielectric_constant)
    spinors = settings.couples_spin_orbit({site.specie.symbol for site in structure})

    def calculation(
        name: str, task: Task, inputs: tags.Tags, points: Kpoints, **files: Path
    ) -> PlannedCalculation:
        full = tags.with_spin_orbit(inputs, structure) if spinors else inputs
        return _calculation(name, task, settings, structure, full, points, **files)

    mesh = kpoints.exchange_mesh(structure, settings.hybrid_k_spacing)
    density = run.run(calculation("static", "static", tags.band_density(settings, structure), mesh))
    bands = run.run(
        calculation(
            "bands",
            "static",
            tags.band_search(settings, structure),
            kpoints.even_mesh(structure, settings.band_k_spacing),
            CHGCAR=density / "CHGCAR",
        )
    )
    found = run.look(lambda: _edge_points(bands, settings), _GAMMA)
    points = kpoints.with_zero_weights(plain(structure).get_sorted_structure(), mesh, found)

    def semilocal_edges() -> Path:
        inputs = tags.band_edges(settings, structure)
        return run.run(calculation("edges", "listed", inputs, points, CHGCAR=density / "CHGCAR"))

    edges = semilocal_edges()
    hybrid = HYBRIDS[functional]
    if hybrid is None:
        return EdgeFolders(edges, None, None)

    def fire(name: str, task: Task, make: Callable[..., tags.Tags]) -> Path:
        n_bands = run.look(lambda: _number_of_bands(edges), 0)
        inputs = make(
            settings,
            structure,
            exchange_fraction=fraction,
            screening=hybrid.screening,
            n_bands=n_bands or default_bands(structure, spinors=spinors),
        )
        return run.run(calculation(name, task, inputs, points, WAVECAR=edges / "WAVECAR"))

    for renewal in range(_MOST_RENEWALS + 1):
        try:
            one_shot = fire("one_shot", "one_shot", tags.one_shot)
            break
        except InsufficientMemoryError:
            raise
        except EngineError as error:
            if renewal == _MOST_RENEWALS:
                raise
            for name in ("one_shot", "edges"):
                run.again(name, str(error))
            edges = semilocal_edges()
    final = None
    if settings.self_consistent:
        final = fire("self_consistent", "hybrid", tags.self_consistent)
    return EdgeFolders(edges, one_shot, final)


def slab_relaxation(run: Runner, settings: VaspSettings, slab: Structure) -> Path:
    """Relax the ions of a slab in its cell."""
    mesh = kpoints.slab_mesh(slab, settings.k_spacing)
    inputs = tags.slab_relaxation(settings, slab, dipole_centre(slab))
    return run.run(_calculation("relax", "slab_relaxation", settings, slab, inputs, mesh))


def slab_potential(run: Runner, settings: VaspSettings, slab: Structure) -> Path:
    """Compute the electrostatic potential of a slab."""
    mesh = kpoints.slab_mesh(slab, settings.k_spacing)
    inputs = tags.slab_potential(settings, slab, dipole_centre(slab))
    return run.run(_calculation("static", "slab_static", settings, slab, inputs, mesh))


def dipole_centre(slab: Structure) -> float | None:
    """Return the fractional height of a slab's centre of mass; None where its faces are equivalent.

    The slab may cross the cell's boundary: heights are averaged on a circle.
    """
    if faces_are_equivalent(slab):
        return None
    masses = np.array([float(site.specie.atomic_mass) for site in slab])
    phases = np.exp(2j * np.pi * slab.frac_coords[:, 2])
    return float(np.angle(np.sum(masses * phases)) / (2 * np.pi) % 1.0)


def _calculation(
    name: str,
    task: Task,
    settings: VaspSettings,
    structure: Structure,
    inputs: tags.Tags,
    points: Kpoints,
    **files: Path,
) -> PlannedCalculation:
    return PlannedCalculation(
        name, input_set(structure, inputs, points, settings.potcar_functional), task, files
    )


def _vasprun(folder: Path) -> Vasprun:
    return Vasprun(folder / "vasprun.xml", parse_dos=False, parse_potcar_file=False)


def _final_structure(folder: Path) -> Callable[[], Structure]:
    return lambda: plain(_vasprun(folder).final_structure)


def _number_of_bands(folder: Path) -> int:
    return int(_vasprun(folder).parameters["NBANDS"])


def _edge_points(folder: Path, settings: VaspSettings) -> list[kpoints.Point]:
    """The k-points of a finished calculation where its bands come near the extrema."""
    vasprun = _vasprun(folder)
    levels = np.asarray((vasprun.eigenvalues or {})[Spin.up])
    energies, occupations = levels[:, :, 0], levels[:, :, 1]
    occupied = np.sum(occupations > 0.5, axis=1)
    n_occupied = int(occupied[0])
    gap = energies[:, n_occupied].min() - energies[:, n_occupied - 1].max()
    if np.any(occupied != n_occupied) or gap <= 0:
        raise MetallicError(
            f"the PBEsol gap of the crystal closes ({gap:.2f} eV)",
            "an insulator",
            "use hubbard_u where d states cross, or leave this crystal out",
        )
    return kpoints.edge_points(
        energies,
        vasprun.actual_kpoints,
        n_occupied,
        settings.edge_window,
        settings.most_edge_points,
    )
