"""From the folders of finished VASP calculations to the engine-neutral documents.

Conventions. LOCPOT (written with LVHAR) and the potentials at the cores in OUTCAR are potential energies
of an electron, on the scale of the eigenvalues, whose zero VASP puts at the average of ionic plus Hartree
potential. That average is read from LOCPOT all the same, so that nothing hangs on it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure
from scipy.optimize import linear_sum_assignment

from surfalign.errors import EngineError
from surfalign.physics.checks import Check, within
from surfalign.physics.levels.potential import cell_height, planar_average, slab_regions
from surfalign.stores.documents import (
    BulkDocument,
    DielectricDocument,
    SlabPotentialDocument,
    SlabRelaxationDocument,
)
from surfalign.workflows.engines.relaxation.trajectory import level_error
from surfalign.workflows.engines.vasp.outputs.calculation import Calculation, converged
from surfalign.workflows.engines.vasp.outputs.provenance import calculation_record
from surfalign.workflows.engines.vasp.outputs.step_context import StepContext

#: Atoms of the same structure may differ by the digits of files and by a relaxation, angstrom.
_FARTHEST_MOVE = 2.5
#: In-plane cell vectors that should be equal may differ by this, angstrom.
_CELL_TOLERANCE = 1e-3
#: Atoms that lie no further below the outermost one belong to the face, angstrom.
_LAYER = 0.5


def read_bulk(
    folder: Path | Calculation, structure: Structure, context: StepContext
) -> BulkDocument:
    """Read the energy, gap and forces of a bulk cell.

    Parameters
    ----------
    folder
        Of the calculation, or the calculation as it was read before.
    structure
        The structure as the step was given it: its order of sites and its site properties are kept.
    context
        What the step knows of itself.

    Raises
    ------
    EngineKilledError, ConvergenceError, MetallicError
        When the calculation is no good; the messages say why.
    """
    run = converged(folder)
    order = matching_sites(run.initial_structure, structure)
    largest = _largest_force(run)
    return BulkDocument(
        structure=_as_given(run.structure, structure, order),
        formula=structure.composition.reduced_formula,
        n_atoms=len(structure),
        energy=run.energy,
        energy_per_atom=run.energy / len(structure),
        band_gap=run.band_edges().band_gap,
        max_force=largest,
        calculation=calculation_record(run, context, checks=_cycle_checks(run)),
    )


def read_dielectric(
    folder: Path | Calculation, structure: Structure, context: StepContext
) -> DielectricDocument:
    """Read the electronic dielectric tensor of a linear-response run (LEPSILON).

    Parameters as for :func:`read_bulk`.

    Raises
    ------
    EngineError
        When there is no tensor, or it is none of an insulator.
    """
    run = converged(folder)
    tensor, bare = run.dielectric_tensors
    if tensor.shape != (3, 3) or not np.trace(tensor) / 3 > 1:
        raise EngineError(
            f"vasprun.xml in {run.directory} holds the dielectric tensor {tensor.tolist()}",
            "a tensor with a mean above 1, of a run with LEPSILON = .TRUE.",
            "look at the end of its OUTCAR",
        )
    return DielectricDocument(
        structure=structure,
        dielectric_tensor=tuple(tuple(float(x) for x in row) for row in tensor),
        dielectric_constant=float(np.trace(tensor) / 3),
        dielectric_constant_no_local_fields=(
            float(np.trace(bare) / 3) if bare.shape == (3, 3) else None
        ),
        calculation=calculation_record(run, context),
    )


def read_slab_relaxation(
    folder: Path | Calculation, slab: Structure, context: StepContext, *, force_tolerance: float
) -> SlabRelaxationDocument:
    """Read a relaxed slab.

    Parameters
    ----------
    folder
        Of the calculation, or the calculation as it was read before.
    slab
        The slab before the relaxation; its site properties are kept.
    context
        What the step knows of itself.
    force_tolerance
        Largest force of a relaxed slab, eV/angstrom.
    """
    run = converged(folder)
    _require_same_cell(run, slab)
    order = matching_sites(run.initial_structure, slab)
    relaxed = _as_given(run.structure, slab, order)
    shifts = np.linalg.norm(_displacements(relaxed.frac_coords, slab), axis=1)
    largest = _largest_force(run)
    check = within(
        "max_force", largest, force_tolerance, "eV/angstrom", "largest force left on an atom"
    )
    return SlabRelaxationDocument(
        structure=relaxed,
        initial_structure=slab,
        energy=run.energy,
        max_force=largest,
        max_displacement=float(shifts.max()),
        n_steps=len(run.vasprun.ionic_steps) - 1,
        converged=check.passed and run.ionically_converged,
        predicted_error=_level_error(run, slab, order),
        calculation=calculation_record(run, context, checks=[check], notes=_held_notes(run)),
    )


def read_slab_potential(
    folder: Path | Calculation, slab: Structure, context: StepContext, *, dipole_corrected: bool
) -> SlabPotentialDocument:
    """Read the potential of a slab; parameters as for :func:`read_slab_relaxation`.

    Raises
    ------
    EngineKilledError, EngineError
        When LOCPOT is missing, broken off or written with LVTOT.
    """
    run = converged(folder)
    _require_same_cell(run, slab)
    order = matching_sites(run.initial_structure, slab)
    profile = planar_average(run.potential(), run.structure.lattice.matrix)
    return SlabPotentialDocument(
        structure=_as_given(run.structure, slab, order),
        energy=run.energy,
        positions=profile.heights.tolist(),
        planar_average=profile.values.tolist(),
        site_potentials=run.site_potentials[order].tolist(),
        dipole_corrected=dipole_corrected,
        calculation=calculation_record(run, context),
    )


def matching_sites(written: Structure, given: Structure) -> NDArray[np.int64]:
    """Return, for each site of ``given``, the index of its site in ``written``.

    Input sets sort atoms by element, and a continued relaxation starts where the last one stopped, so
    sites are matched by element and nearest position, all together.

    Raises
    ------
    EngineError
        When the two are not the same atoms.
    """
    if written.composition.element_composition != given.composition.element_composition:
        raise EngineError(
            f"the folder holds {written.formula}", given.formula, "read the folder of this step"
        )
    distances = given.lattice.get_all_distances(given.frac_coords, written.frac_coords)
    elements = np.array([site.specie.Z for site in written])
    differs = np.array([site.specie.Z for site in given])[:, None] != elements[None, :]
    _, order = linear_sum_assignment(np.where(differs, 1e6, distances**2))
    farthest = float(distances[np.arange(len(given)), order].max())
    if farthest > _FARTHEST_MOVE:
        raise EngineError(
            f"an atom of the folder's structure is {farthest:.2f} angstrom from its place",
            f"the same structure, to {_FARTHEST_MOVE} angstrom",
            "read the folder of this step",
        )
    return np.asarray(order, dtype=np.int64)


def _as_given(computed: Structure, given: Structure, order: NDArray[np.int64]) -> Structure:
    """The computed structure in the given order of sites, with its site properties and labels."""
    return Structure(
        computed.lattice,
        given.species,
        computed.frac_coords[order],
        site_properties=given.site_properties,
    )


def _require_same_cell(run: Calculation, slab: Structure) -> None:
    change = float(np.abs(run.structure.lattice.matrix - slab.lattice.matrix).max())
    if change > _CELL_TOLERANCE:
        raise EngineError(
            f"the cell of the slab in {run.directory} differs by {change:.4f} angstrom",
            "the cell that was given, unchanged (ISIF = 2)",
            "look at ISIF in its INCAR",
        )


def _largest_force(run: Calculation) -> float:
    """Largest force on what was free to move: a held atom feels the bulk that is not there."""
    return float(np.linalg.norm(np.where(run.free, run.forces, 0.0), axis=1).max())


def _level_error(run: Calculation, slab: Structure, order: NDArray[np.int64]) -> float | None:
    """How far the level may be from that of the minimum, eV; nothing where steps hold no forces."""
    steps = run.vasprun.ionic_steps
    if any(step.get("forces") is None for step in steps):
        return None
    places = np.array([step["structure"].frac_coords[order] for step in steps])
    forces = [np.asarray(step["forces"], dtype=float)[order] for step in steps]
    positions = slab.cart_coords + _displacements(places, slab)
    return level_error(slab, positions, forces, np.asarray(run.free.any(axis=1))[order])


def _displacements(places: NDArray[np.float64], slab: Structure) -> NDArray[np.float64]:
    """How far reduced coordinates lie from the slab's own, by the nearest image, angstrom."""
    moves = (places - slab.frac_coords + 0.5) % 1.0 - 0.5
    return np.asarray(moves @ slab.lattice.matrix)


def _held_notes(run: Calculation) -> list[str]:
    """What is to be said of atoms that were held, by where they are."""
    held: NDArray[np.bool_] = np.logical_not(np.any(run.free, axis=1))
    if not held.any():
        return []
    cell = run.initial_structure.lattice.matrix
    heights = run.initial_structure.frac_coords[:, 2] * cell_height(cell)
    regions = slab_regions(heights, cell_height(cell))
    above = (heights - regions.slab_centre + cell_height(cell) / 2) % cell_height(cell)
    faces = [held[above > above.max() - _LAYER].all(), held[above < above.min() + _LAYER].all()]
    share = f"{held.sum()} of {len(held)} atoms were held in the relaxation"
    if sum(faces) == 1:
        return [
            f"one_side_held: {share}, one face among them: the surface energy is the mean of a relaxed and "
            "an unrelaxed face, which are not alike"
        ]
    return [f"{'faces' if all(faces) else 'inner_layers'}_held: {share}"]


def _cycle_checks(run: Calculation) -> list[Check]:
    """The last change of energy in the electronic cycle, per atom."""
    steps = run.vasprun.ionic_steps[-1]["electronic_steps"]
    if run.one_shot or len(steps) < 2:
        return []
    change = (steps[-1]["e_wo_entrp"] - steps[-2]["e_wo_entrp"]) / len(run.structure)
    return [
        within(
            "energy_convergence",
            float(change),
            1e-4,
            "eV",
            "last change of the energy in the electronic cycle, per atom",
        )
    ]
