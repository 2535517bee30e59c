"""The makers of the embedded engine: one jobflow job per step of the flow.

They are atomate2's ASE makers over :class:`.calculator.ParallelGPAW`. Their serialised fields are
numerical settings only: cores and memory are read from the settings of the machine that runs a job.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np
from ase import Atoms
from atomate2.ase.jobs import AseMaker, AseRelaxMaker
from atomate2.ase.schemas import AseResult
from jobflow import job
from monty.json import MontyDecoder
from numpy.typing import NDArray
from pymatgen.core import Molecule, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from surfalign.errors import ConfigurationError
from surfalign.physics.checks import Check, within
from surfalign.physics.slabs.faces import faces_are_equivalent
from surfalign.settings import load_settings
from surfalign.stores.documents import (
    BandEdgesDocument,
    BulkDocument,
    CalculationRecord,
    DielectricDocument,
    Functional,
    Quality,
    RelaxationStep,
    SlabPotentialDocument,
    SlabRelaxationDocument,
)
from surfalign.workflows.engines.edge_sampling import EdgeSampling, edge_sampling
from surfalign.workflows.engines.engine import Engine, without_later_options
from surfalign.workflows.engines.functionals import (
    Method,
    SpinOrbit,
    couples_spin_orbit,
    edges_label,
    exchange_fraction,
    hybrid_of,
)
from surfalign.workflows.engines.gpaw.calculator import ParallelGPAW
from surfalign.workflows.engines.gpaw.cost import (
    EXCHANGE_MEMORY,
    RESPONSE_MEMORY,
    CellSize,
    band_edges_time,
    bulk_time,
    cell_size,
    dielectric_time,
    ground_state_time,
    relaxation_time,
    step_resources,
)
from surfalign.workflows.engines.gpaw.dispersion import Dispersion, require_dispersion
from surfalign.workflows.engines.gpaw.equation_of_state import fit_equation_of_state
from surfalign.workflows.engines.gpaw.meshes import Kind
from surfalign.workflows.engines.gpaw.records import calculation_record
from surfalign.workflows.engines.gpaw.settings import (
    RELAXATIONS,
    STANDARD,
    GpawSettings,
    preset,
)
from surfalign.workflows.engines.positions import with_positions
from surfalign.workflows.engines.relaxation.potential.choice import chosen_potentials
from surfalign.workflows.engines.relaxation.relaxation import (
    Evaluation,
    Relaxation,
    RelaxationSettings,
    relax,
)
from surfalign.workflows.engines.relaxation.slab_level import slab_level
from surfalign.workflows.engines.relaxation.start import find_start
from surfalign.workflows.engines.step_resources import StepResources

FloatArray = NDArray[np.float64]

#: What the response was sampled with; recorded besides the preset.
_RESPONSE_SAMPLING = ("k_points", "n_bands", "n_directions")


@dataclass
class GpawMaker(AseMaker):
    """What the static makers share: settings, and a calculator for a kind of cell."""

    #: Memory of the step in units of its ground state's.
    memory_factor: ClassVar[float] = 1.0

    name: str = "gpaw"
    settings: GpawSettings = field(default_factory=lambda: STANDARD)

    def _get_calculator(self) -> ParallelGPAW:
        return ParallelGPAW(self.settings, self._kind())

    def _kind(self) -> Kind:
        return "bulk"

    def resources(self, structure: Structure) -> StepResources:
        """Estimate what the step needs for a cell."""
        size = cell_size(structure, self.settings, self._kind())
        return step_resources(size, self._time(size, structure), self.memory_factor)

    def _time(self, size: CellSize, structure: Structure) -> float:
        """Return the processor time that the step is expected to take, s."""
        return ground_state_time(size)

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

    def resources(self, structure: Structure) -> StepResources:
        """Estimate what the step needs for a cell: one evaluation of the forces, or a few."""
        size = cell_size(structure, self.settings, self._kind())
        return step_resources(size, bulk_time(size, relaxed=bool(self.steps)))

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
                structure=with_positions(structure, atoms.positions),
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
    memory_factor: ClassVar[float] = RESPONSE_MEMORY

    name: str = "gpaw dielectric"

    def _time(self, size: CellSize, structure: Structure) -> float:
        return dielectric_time(size, structure, self.settings)

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
    spin_orbit
        Spin-orbit coupling, without self-consistency: ``off``, ``heavy`` (crystals with Pb, Bi, Tl, Hg, W, I or
        Te) or ``on``.
    """

    stable_name: ClassVar[str] = "gpaw.band_edges"
    memory_factor: ClassVar[float] = EXCHANGE_MEMORY

    name: str = "gpaw band edges"
    functional: str = Functional.DDH.value
    spin_orbit: SpinOrbit = field(default="off", metadata={"since": "0.3"})

    def as_dict(self) -> dict[str, Any]:
        """Return monty's dictionary, without spin-orbit coupling where it is off."""
        return without_later_options(self, super().as_dict())

    def _time(self, size: CellSize, structure: Structure) -> float:
        hybrid = self.functional != Functional.PBESOL
        return band_edges_time(size, structure, self.settings, hybrid=hybrid)

    def _density(self) -> Method:
        """All that makes the functional of the density; the coupling is not in it."""
        dispersion = "" if self.settings.dispersion == "off" else self.settings.dispersion
        return Method(Functional.PBESOL.value, dispersion=dispersion)

    def _label(self, couples: bool) -> str:
        """Return the name of the band edges, with their coupling and the dispersion behind the structure."""
        if hybrid_of(self.functional) is None:
            return replace(self._density(), spin_orbit=couples).label()
        edges = f"{self.functional}+soc" if couples else self.functional
        return edges_label(edges, self._density(), hybrid=True)

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
        elements = {site.specie.symbol for site in structure}
        couples = couples_spin_orbit(self.spin_orbit, elements)
        with self._calculator_for(structure, "band edges") as calculator:
            atoms = plain_copy(structure)
            answer = calculator.request(
                "band_edges",
                atoms,
                functional=self.functional,
                exchange_fraction=fraction,
                **({"spin_orbit": True} if couples else {}),
            )
            sampling = sampling_of(structure, answer)
            record = calculation_record(
                calculator,
                atoms,
                "band_edges",
                xc=self.functional,
                answer=answer,
                checks=[sampling.check()],
                extra_settings={"functional": self.functional, "exchange_fraction": fraction},
            )
            record.warnings += sampling.notes
            known = {
                "functional": self._label(couples),
                "semilocal_functional": self._density().label(),
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
class GpawSlabRelaxMaker(GpawMaker):
    """Relax the ions of a slab at fixed cell, keeping its symmetry and site properties.

    Parameters
    ----------
    settings
        Numerical settings.
    relaxation
        When the relaxation ends.
    """

    stable_name: ClassVar[str] = "gpaw.slab_relaxation"
    takes_oriented_bulk: ClassVar[bool] = True
    gives_potential: ClassVar[bool] = True

    name: str = "gpaw slab relaxation"
    relaxation: RelaxationSettings = field(default_factory=RelaxationSettings)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> GpawSlabRelaxMaker:
        """Read a maker of a queued job; what only the optimiser of version 0.2 knew is left out."""
        known = {f.name for f in fields(cls)}
        given = {name: value for name, value in plain.items() if name in known}
        return cls(**MontyDecoder().process_decoded(given))

    def _kind(self) -> Kind:
        return "slab"

    def _time(self, size: CellSize, structure: Structure) -> float:
        return relaxation_time(size, self.settings)

    @job(output_schema=SlabRelaxationDocument)
    def make(
        self, slab: Structure, oriented_bulk: Structure | None = None
    ) -> SlabRelaxationDocument:
        """Relax a slab.

        Parameters
        ----------
        slab
            Slab with its normal along c.
        oriented_bulk
            Bulk cell with the slab's in-plane vectors: a pretrained potential needs it for a start.
        """
        dipole_correction = not faces_are_equivalent(slab)
        with self._calculator_for(slab, "slab relaxation") as calculator:
            start = find_start(
                slab,
                oriented_bulk,
                calculator.say,
                hold_centre=self.relaxation.hold_centre,
                potentials=chosen_potentials(load_settings()),
            )

            def evaluate(positions: FloatArray, precise: bool) -> Evaluation:
                here = with_positions(slab, positions)
                answer = calculator.evaluate_slab(
                    plain_copy(here), precise=precise, dipole_correction=dipole_correction
                )
                forces = np.array(answer["forces"], dtype=float)
                level = slab_level(here, answer["planar_average"], answer["site_potentials"])
                return Evaluation(answer["energy"], forces, level, answer["precise"], answer)

            found = relax(evaluate, start, self.relaxation, calculator.say)
            relaxed, answer = with_positions(slab, found.positions), found.last.answer
            record = calculation_record(
                calculator,
                plain_copy(relaxed),
                "slab_relaxation",
                answer=answer,
                checks=found.checks(self.relaxation),
                extra_settings=self.relaxation.numerical()
                | {"dipole_correction": dipole_correction},
            )
            record.cpu_time += start.cpu_time
            return relaxation_document(slab, relaxed, found, record)


@dataclass
class GpawSlabPotentialMaker(GpawMaker):
    """Electrostatic potential of a slab: its planar average and its values at the sites.

    Slabs whose faces differ get a dipole correction.
    """

    stable_name: ClassVar[str] = "gpaw.slab_potential"

    name: str = "gpaw slab potential"

    def _kind(self) -> Kind:
        return "slab"

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
            answer = calculator.evaluate_slab(
                atoms, forces=False, dipole_correction=dipole_correction
            )
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


def relaxation_document(
    slab: Structure, relaxed: Structure, found: Relaxation, record: CalculationRecord
) -> SlabRelaxationDocument:
    """Return the document of a relaxation; the potential of its last step goes with it."""
    answer = found.last.answer
    shift = np.linalg.norm(relaxed.cart_coords - slab.cart_coords, axis=1)
    return SlabRelaxationDocument(
        structure=relaxed,
        initial_structure=slab,
        energy=answer["energy"],
        max_force=found.steps[-1].largest_force,
        max_displacement=float(shift.max()),
        n_steps=len(found.steps) - 1,
        converged=found.converged,
        predicted_change=found.steps[-1].predicted_change,
        predicted_error=found.steps[-1].predicted_error,
        centre_change=found.centre_change,
        level_per_force=found.level_per_force,
        start=found.start.name,
        start_refusals=list(found.start.refusals),
        steps=[RelaxationStep(**asdict(step)) for step in found.steps],
        potential=SlabPotentialDocument(
            structure=relaxed,
            dipole_corrected=record.settings["dipole_correction"],
            calculation=record,
            **results_of(answer, SlabPotentialDocument),
        ),
        calculation=record,
    )


def labelled(calculator: ParallelGPAW, structure: Structure, step: str) -> ParallelGPAW:
    """Name a calculator's lines of progress after the crystal and the step; return it."""
    calculator.label = f"{structure.composition.reduced_formula} {step}"
    return calculator


def plain_copy(structure: Structure) -> Atoms:
    """Return the ASE atoms of a structure."""
    return AseAtomsAdaptor.get_atoms(structure, msonable=False)


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


def sampling_of(structure: Structure, answer: dict[str, Any]) -> EdgeSampling:
    """Return what the mesh of a step of band edges may miss.

    A hybrid moves the bands of one crystal much alike: PBEsol, known on the whole mesh, tells.
    """
    return edge_sampling(
        structure, answer["sampled_k_points"], answer["highest_filled"], answer["lowest_empty"]
    )


def gpaw_engine(
    quality: str = Quality.STANDARD.value,
    functional: str = Functional.DDH.value,
    equation_of_state: bool = False,
    spin_orbit: SpinOrbit = "off",
    dispersion: Dispersion = "off",
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
    spin_orbit
        Spin-orbit coupling in the band edges: ``off``, ``heavy`` or ``on``.
    dispersion
        Correction of energies and forces: ``off``, or ``d3bj`` for Grimme's D3.

    Raises
    ------
    ConfigurationError
        When there is no such preset, or spin-orbit coupling or dispersion is neither of these.
    MissingDependencyError
        When the library of the correction is not installed.
    """
    require_dispersion(dispersion)
    settings = replace(preset(quality), dispersion=dispersion)
    if spin_orbit not in get_args(SpinOrbit):
        raise ConfigurationError(
            f"spin_orbit is {spin_orbit!r}",
            f"one of {', '.join(get_args(SpinOrbit))}",
            "write --option spin_orbit=heavy",
        )
    return Engine(
        name="gpaw",
        quality=str(quality),
        functional=str(functional),
        bulk_maker=GpawBulkMaker(settings=settings, equation_of_state=equation_of_state),
        oriented_bulk_maker=GpawBulkMaker(
            name="gpaw oriented bulk", settings=settings, relax=False, oriented=True
        ),
        dielectric_maker=GpawDielectricMaker(settings=settings),
        band_edges_maker=GpawBandEdgesMaker(
            settings=settings, functional=str(functional), spin_orbit=spin_orbit
        ),
        slab_relax_maker=GpawSlabRelaxMaker(
            settings=settings, relaxation=RELAXATIONS[settings.quality]
        ),
        slab_potential_maker=GpawSlabPotentialMaker(settings=settings),
        slab_thickness=settings.slab_thickness,
        vacuum_thickness=settings.vacuum_thickness,
    )
