"""The makers of the embedded engine: one jobflow job per step of the flow.

They are atomate2's ASE makers over :class:`.calculator.ParallelGPAW`. Their serialised fields are
numerical settings only: cores and memory are read from the settings of the machine that runs a job.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from atomate2.ase.jobs import AseMaker, AseRelaxMaker
from atomate2.ase.schemas import AseResult
from jobflow import job
from pymatgen.core import Molecule, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from surfalign.physics.checks import Check, within
from surfalign.physics.slabs.faces import faces_are_equivalent
from surfalign.stores.documents import (
    BandEdgesDocument,
    BulkDocument,
    DielectricDocument,
    Functional,
    Quality,
    SlabPotentialDocument,
    SlabRelaxationDocument,
)
from surfalign.workflows.engines.engine import Engine
from surfalign.workflows.engines.functionals import exchange_fraction
from surfalign.workflows.engines.gpaw.calculator import ParallelGPAW
from surfalign.workflows.engines.gpaw.equation_of_state import fit_equation_of_state
from surfalign.workflows.engines.gpaw.meshes import Kind
from surfalign.workflows.engines.gpaw.records import calculation_record
from surfalign.workflows.engines.gpaw.settings import STANDARD, GpawSettings, preset

#: What the response was sampled with; recorded besides the preset.
_RESPONSE_SAMPLING = ("k_points", "n_bands", "n_directions")


@dataclass
class GpawMaker(AseMaker):
    """What the static makers share: settings, and a calculator for a kind of cell."""

    name: str = "gpaw"
    settings: GpawSettings = field(default_factory=lambda: STANDARD)

    def _get_calculator(self) -> ParallelGPAW:
        return ParallelGPAW(self.settings, "bulk")

    def _calculator_for(self, structure: Structure, step: str) -> ParallelGPAW:
        """The calculator of this job, named for its lines of progress."""
        self._calculator = labelled(self._get_calculator(), structure, step)
        return self._calculator


@dataclass
class GpawRelaxMaker(AseRelaxMaker):
    """What the relaxing makers share: ions move at fixed cell, keeping the symmetry."""

    name: str = "gpaw relaxation"
    settings: GpawSettings = field(default_factory=lambda: STANDARD)
    relax_cell: bool = False
    fix_symmetry: bool = True
    symprec: float | None = 1e-3
    optimizer_kwargs: dict[str, Any] = field(default_factory=lambda: {"optimizer": "BFGS"})

    def __post_init__(self) -> None:
        """Take tolerance and steps from the settings."""
        super().__post_init__()
        self.steps = self.settings.max_relaxation_steps
        self.relax_kwargs = {
            "fmax": self.settings.force_tolerance,
            "final_atoms_object_file": None,
        }

    def run_ase(
        self, mol_or_struct: Structure | Molecule, prev_dir: str | Path | None = None
    ) -> AseResult:
        """Relax; see :meth:`atomate2.ase.jobs.AseRelaxMaker.run_ase`."""
        with warnings.catch_warnings():
            # pymatgen cannot store the symmetry constraint; the constraint has done its work by then
            warnings.filterwarnings("ignore", message="Only FixAtoms and FixCartesian")
            return super().run_ase(mol_or_struct, prev_dir)

    def _get_calculator(self) -> ParallelGPAW:
        return ParallelGPAW(self.settings, self._kind())

    def _kind(self) -> Kind:
        return "bulk"

    def _calculator_for(self, structure: Structure, step: str) -> ParallelGPAW:
        self._calculator = labelled(self._get_calculator(), structure, step)
        return self._calculator

    def _force_check(self, largest: float) -> Check:
        return within(
            "max_force",
            largest,
            self.settings.force_tolerance,
            "eV/angstrom",
            "largest force left on an atom",
        )


@dataclass
class GpawBulkMaker(GpawRelaxMaker):
    """Ground state of a bulk cell, its internal coordinates relaxed where symmetry leaves any free.

    Parameters
    ----------
    settings
        Numerical settings.
    relax
        Whether free internal coordinates are relaxed (cell fixed, symmetry kept).
    equation_of_state
        Whether the volume is first taken from a fit of E(V) at fixed shape; else the cell is kept.
    oriented
        Whether the cell is oriented like a slab and takes the slab's in-plane k mesh.
    """

    stable_name: ClassVar[str] = "gpaw.bulk"

    name: str = "gpaw bulk"
    relax: bool = True
    equation_of_state: bool = False
    oriented: bool = False

    def __post_init__(self) -> None:
        """Without relaxation, no ion moves: the optimiser evaluates the forces once."""
        super().__post_init__()
        if not self.relax:
            self.steps = 0

    def _kind(self) -> Kind:
        return "oriented_bulk" if self.oriented else "bulk"

    @job(output_schema=BulkDocument)
    def make(self, structure: Structure) -> BulkDocument:
        """Compute the bulk.

        Parameters
        ----------
        structure
            The bulk crystal.

        Raises
        ------
        MetallicError
            When the gap closes.
        """
        step = "oriented bulk" if self.oriented else "bulk"
        with self._calculator_for(structure, step) as calculator:
            calculator.require_gap = True
            fit, extra = None, {}
            if self.equation_of_state:
                smooth = self.settings.for_equation_of_state()
                with ParallelGPAW(smooth, self._kind(), calculator.label) as volumes:
                    fit = fit_equation_of_state(volumes, structure)
                extra = {"equation_of_state_cutoff": smooth.cutoff}
                structure = structure.copy()
                structure.scale_lattice(fit.equilibrium_volume)
            self.run_ase(structure)
            answer, atoms = calculator.answers[-1], calculator.atoms
            largest = largest_force(answer, atoms)
            checks = [self._force_check(largest)] if self.relax else []
            return BulkDocument(
                structure=moved(structure, atoms),
                formula=structure.composition.reduced_formula,
                n_atoms=len(structure),
                energy=answer["energy"],
                energy_per_atom=answer["energy"] / len(structure),
                band_gap=answer["band_gap"],
                max_force=largest,
                equation_of_state=fit,
                calculation=calculation_record(
                    calculator,
                    atoms,
                    step.replace(" ", "_"),
                    answer=answer,
                    checks=checks,
                    extra_settings=extra,
                ),
            )


@dataclass
class GpawDielectricMaker(GpawMaker):
    """Electronic dielectric tensor: linear response (ALDA) on the PBEsol ground state."""

    stable_name: ClassVar[str] = "gpaw.dielectric"

    name: str = "gpaw dielectric"

    @job(output_schema=DielectricDocument)
    def make(self, structure: Structure) -> DielectricDocument:
        """Compute the dielectric tensor of a bulk crystal."""
        with self._calculator_for(structure, "dielectric constant") as calculator:
            atoms = plain_copy(structure)
            answer = calculator.request("dielectric", atoms)
            record = calculation_record(
                calculator,
                atoms,
                "dielectric",
                xc=f"PBEsol + {answer['kernel']}",
                answer=answer,
                extra_settings={f"response_{name}": answer[name] for name in _RESPONSE_SAMPLING},
            )
            return DielectricDocument(
                structure=structure, calculation=record, **results_of(answer, DielectricDocument)
            )


@dataclass
class GpawBandEdgesMaker(GpawMaker):
    """Band edges of the bulk against its average electrostatic potential.

    Parameters
    ----------
    settings
        Numerical settings.
    functional
        ``ddh``, ``hse06``, ``pbe0`` or ``pbesol``.
    """

    stable_name: ClassVar[str] = "gpaw.band_edges"

    name: str = "gpaw band edges"
    functional: str = Functional.DDH.value

    @job(output_schema=BandEdgesDocument)
    def make(
        self, structure: Structure, dielectric_constant: float | None = None
    ) -> BandEdgesDocument:
        """Compute the band edges.

        Parameters
        ----------
        structure
            The bulk crystal.
        dielectric_constant
            Sets the exchange fraction of ``ddh``.

        Raises
        ------
        ConfigurationError
            When ``ddh`` is asked for without a dielectric constant.
        """
        fraction = exchange_fraction(self.functional, dielectric_constant)
        with self._calculator_for(structure, "band edges") as calculator:
            atoms = plain_copy(structure)
            answer = calculator.request(
                "band_edges", atoms, functional=self.functional, exchange_fraction=fraction
            )
            record = calculation_record(
                calculator,
                atoms,
                "band_edges",
                xc=self.functional,
                answer=answer,
                extra_settings={"functional": self.functional, "exchange_fraction": fraction},
            )
            known = {
                "functional": self.functional,
                "exchange_fraction": fraction,
                "dielectric_constant": (
                    dielectric_constant if self.functional == Functional.DDH else None
                ),
            }
            return BandEdgesDocument(
                structure=structure,
                calculation=record,
                **(results_of(answer, BandEdgesDocument) | known),
            )


@dataclass
class GpawSlabRelaxMaker(GpawRelaxMaker):
    """Relax the ions of a slab at fixed cell, keeping its symmetry and site properties."""

    stable_name: ClassVar[str] = "gpaw.slab_relaxation"

    name: str = "gpaw slab relaxation"

    def _kind(self) -> Kind:
        return "slab"

    @job(output_schema=SlabRelaxationDocument)
    def make(self, slab: Structure) -> SlabRelaxationDocument:
        """Relax a slab.

        Parameters
        ----------
        slab
            Slab with its normal along c.
        """
        with self._calculator_for(slab, "slab relaxation") as calculator:
            self.run_ase(slab)
            answer, atoms = calculator.answers[-1], calculator.atoms
            largest = largest_force(answer, atoms)
            check = self._force_check(largest)
            relaxed = moved(slab, atoms)
            shift = np.linalg.norm(relaxed.cart_coords - slab.cart_coords, axis=1)
            return SlabRelaxationDocument(
                structure=relaxed,
                initial_structure=slab,
                energy=answer["energy"],
                max_force=largest,
                max_displacement=float(shift.max()),
                n_steps=len(calculator.answers) - 1,
                converged=check.passed,
                calculation=calculation_record(
                    calculator, atoms, "slab_relaxation", answer=answer, checks=[check]
                ),
            )


@dataclass
class GpawSlabPotentialMaker(GpawMaker):
    """Electrostatic potential of a slab: its planar average and its values at the sites.

    Slabs whose faces differ get a dipole correction.
    """

    stable_name: ClassVar[str] = "gpaw.slab_potential"

    name: str = "gpaw slab potential"

    def _get_calculator(self) -> ParallelGPAW:
        return ParallelGPAW(self.settings, "slab")

    @job(output_schema=SlabPotentialDocument)
    def make(self, slab: Structure) -> SlabPotentialDocument:
        """Compute the potential of a slab.

        Parameters
        ----------
        slab
            Slab with its normal along c.
        """
        dipole_correction = not faces_are_equivalent(slab)
        with self._calculator_for(slab, "slab potential") as calculator:
            atoms = plain_copy(slab)
            answer = calculator.request("potential", atoms, dipole_correction=dipole_correction)
            record = calculation_record(
                calculator,
                atoms,
                "slab_potential",
                answer=answer,
                extra_settings={"dipole_correction": dipole_correction},
            )
            return SlabPotentialDocument(
                structure=slab,
                dipole_corrected=dipole_correction,
                calculation=record,
                **results_of(answer, SlabPotentialDocument),
            )


def labelled(calculator: ParallelGPAW, structure: Structure, step: str) -> ParallelGPAW:
    """Name a calculator's lines of progress after the crystal and the step; return it."""
    calculator.label = f"{structure.composition.reduced_formula} {step}"
    return calculator


def plain_copy(structure: Structure) -> Atoms:
    """Return the ASE atoms of a structure."""
    return AseAtomsAdaptor.get_atoms(structure, msonable=False)


def moved(structure: Structure, atoms: Atoms) -> Structure:
    """Return ``structure`` with the positions of ``atoms``, its site properties kept."""
    new = structure.copy()
    for index, position in enumerate(atoms.positions):
        new.replace(
            index,
            new[index].species,
            position,
            coords_are_cartesian=True,
            properties=new[index].properties,
        )
    return new


def largest_force(answer: dict[str, Any], atoms: Atoms) -> float:
    """Return the largest force on an atom (eV/angstrom) of an engine's answer.

    The forces are those that move the atoms: with the parts taken out that their constraints (the
    symmetry) forbid, which are the noise of the grid.
    """
    forces = np.array(answer["forces"], dtype=float)
    for constraint in atoms.constraints:
        constraint.adjust_forces(atoms, forces)
    return float(np.linalg.norm(forces, axis=1).max())


def results_of(answer: dict[str, Any], document: type[Any]) -> dict[str, Any]:
    """Return those entries of an engine's answer that are fields of a document."""
    fields = set(document.model_fields) - {"structure", "calculation"}
    return {key: value for key, value in answer.items() if key in fields}


def gpaw_engine(
    quality: str = Quality.STANDARD.value,
    functional: str = Functional.DDH.value,
    equation_of_state: bool = False,
) -> Engine:
    """Return the embedded engine at one quality.

    Parameters
    ----------
    quality
        ``quick``, ``standard`` or ``converged``.
    functional
        Functional of the bulk band edges.
    equation_of_state
        Whether the bulk's volume is fitted rather than given.

    Raises
    ------
    ConfigurationError
        When there is no such preset.
    """
    settings = preset(quality)
    return Engine(
        name="gpaw",
        quality=str(quality),
        functional=str(functional),
        bulk_maker=GpawBulkMaker(settings=settings, equation_of_state=equation_of_state),
        oriented_bulk_maker=GpawBulkMaker(
            name="gpaw oriented bulk", settings=settings, relax=False, oriented=True
        ),
        dielectric_maker=GpawDielectricMaker(settings=settings),
        band_edges_maker=GpawBandEdgesMaker(settings=settings, functional=str(functional)),
        slab_relax_maker=GpawSlabRelaxMaker(settings=settings),
        slab_potential_maker=GpawSlabPotentialMaker(settings=settings),
        slab_thickness=settings.slab_thickness,
        vacuum_thickness=settings.vacuum_thickness,
    )
