"""Engine-neutral records of every step, and of the result. Every quantity carries its unit.

These documents are the only thing that engines, flows, stores and the learner have in common.
A field that holds a physical quantity is declared with :func:`quantity`, which puts the unit both in
the description and in the JSON schema; a test walks all fields and fails when a float has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure

from surfalign.physics.checks import Check
from surfalign.stores.sharing.record import Sharing
from surfalign.stores.vocabulary import Functional as Functional
from surfalign.stores.vocabulary import Origin as Origin
from surfalign.stores.vocabulary import Quality as Quality
from surfalign.stores.vocabulary import quantity as quantity

#: A 3-vector and a 3x3 tensor as they are stored.
Vector3 = tuple[float, float, float]
Tensor3 = tuple[Vector3, Vector3, Vector3]


class Document(BaseModel):
    """Base of all stored records."""

    model_config = ConfigDict(arbitrary_types_allowed=True, validate_assignment=False)


class ResultState(StrEnum):
    """What a result is worth."""

    PASSED = "passed"  # every check passed
    FLAGGED = "flagged"  # computed, but at least one check failed: see failed_checks
    FAILED = "failed"  # no number: see error
    REGISTERED = "registered"  # not computed here, so without checks: see registration


class Correction(Document):
    """One setting that error recovery changed, and why."""

    stage: str = Field(description="Calculation of the step that failed, e.g. 'relax1'")
    handler: str = Field(
        description="Who corrected: a custodian handler, 'retry' or 'continuation'"
    )
    errors: list[str] = Field(description="What was wrong")
    actions: list[str] = Field(description="What was changed, e.g. 'INCAR: ALGO = All'")


class ArchivedFile(Document):
    """A raw file that is kept, compressed."""

    name: str = Field(description="Path below the archive's folder, e.g. 'hybrid/OUTCAR.gz'")
    sha256: str = Field(description="SHA-256 of the file before compression")
    n_bytes: int = Field(description="Its size before compression, bytes")


class RawArchive(Document):
    """Where the raw files of a step are kept."""

    path: str = Field(description="Folder of this step, absolute, on the machine that ran it")
    files: list[ArchivedFile] = Field(description="What it holds")


class ArrayReference(Document):
    """A large array that a document names instead of holding it (see stores/blobs.py)."""

    name: str = Field(description="What it is, e.g. 'electrostatic_potential'")
    unit: str = Field(description="Unit of its values")
    shape: list[int] = Field(description="Its shape")
    dtype: str = Field(description="Its number type, e.g. 'float32'")
    sha256: str = Field(description="SHA-256 of its NPY bytes: its name in the blob store")


class CalculationRecord(Document):
    """How one step was computed: engine, settings, versions, cost."""

    step: str = Field(description="Kind of step, e.g. 'bulk', 'dielectric', 'slab_potential'")
    engine: str = Field(description="Engine, e.g. 'gpaw'")
    engine_version: str = Field(description="Version of the engine")
    code_versions: dict[str, str] = Field(
        default_factory=dict, description="Versions of the other codes that shaped the number"
    )
    xc: str = Field(description="Functional of this step")
    quality: str = Field(description="Name of the preset, or 'custom'")
    settings: dict[str, Any] = Field(description="All numerical settings, engine's own names")
    settings_hash: str = Field(description="SHA-256 of the canonical JSON of the settings")
    datasets: dict[str, str] = Field(
        default_factory=dict, description="PAW dataset or potential per element, with its hash"
    )
    cores: int = Field(description="Cores it ran on")
    wall_time: float = quantity("s", "Wall time")
    cpu_time: float = quantity("s", "CPU time summed over all processes")
    peak_memory: float | None = quantity("GB", "Peak memory of all processes", default=None)
    started_at: datetime = Field(description="Start, UTC")
    hostname: str = Field(default="", description="Machine it ran on")
    warnings: list[str] = Field(
        default_factory=list, description="What the engine or the step warns of"
    )
    checks: list[Check] = Field(
        default_factory=list, description="Convergence checks of this step (SCF, forces, ...)"
    )
    numerical_error: float | None = quantity(
        "eV",
        "What cut-off, grid and k-points of the preset change in an IP, as measured",
        default=None,
    )
    force_noise: float | None = quantity(
        "eV/angstrom",
        "What the grid of the preset changes in a force, as measured: root mean square of a coordinate",
        default=None,
    )
    corrections: list[Correction] = Field(
        default_factory=list, description="What error recovery changed on the way, in order"
    )
    archive: RawArchive | None = Field(
        default=None, description="Raw files of the engine, where they are kept"
    )
    arrays: list[ArrayReference] = Field(
        default_factory=list, description="Large arrays of this step in the blob store"
    )


class EquationOfState(Document):
    """A fitted energy-volume curve at fixed cell shape."""

    volumes: list[float] = quantity("angstrom^3", "Volumes of the cell")
    energies: list[float] = quantity("eV", "Energies of the cell")
    equilibrium_volume: float = quantity("angstrom^3", "Volume at the minimum")
    bulk_modulus: float = quantity("GPa", "Bulk modulus at the minimum")
    fit_residual: float = quantity("eV", "Root-mean-square residual of the fit")


class BulkDocument(Document):
    """A bulk crystal in its reference cell (also the oriented bulk cell of a surface)."""

    structure: Structure = Field(description="Cell as computed")
    formula: str = Field(description="Reduced formula")
    n_atoms: int = Field(description="Atoms in the cell")
    energy: float = quantity("eV", "Total energy of the cell")
    energy_per_atom: float = quantity("eV", "Total energy per atom")
    band_gap: float = quantity("eV", "Kohn-Sham gap of this step's functional on its k mesh")
    max_force: float = quantity("eV/angstrom", "Largest force on an atom")
    equation_of_state: EquationOfState | None = Field(
        default=None, description="Energy-volume curve, where the cell was fitted"
    )
    calculation: CalculationRecord = Field(description="How it was computed")


class DielectricDocument(Document):
    """The electronic (ion-clamped) static dielectric tensor, local fields included."""

    structure: Structure = Field(description="Cell as computed")
    dielectric_tensor: Tensor3 = quantity("1", "Electronic dielectric tensor, cartesian")
    dielectric_constant: float = quantity("1", "A third of the trace of the tensor")
    dielectric_constant_no_local_fields: float | None = quantity(
        "1", "The same without local fields", default=None
    )
    calculation: CalculationRecord = Field(description="How it was computed")


class BandEdgesDocument(Document):
    """Band edges of the bulk against its average electrostatic potential."""

    structure: Structure = Field(description="Cell as computed")
    functional: str = Field(
        description="Name of the method of the band edges, made of all of it, e.g. 'ddh', 'hse06@pbe+u-Ti3'"
    )
    semilocal_functional: str = Field(
        default=Functional.PBESOL.value, description="Name of the method of the density"
    )
    exchange_fraction: float = quantity("1", "Fraction of exact exchange")
    screening: float = quantity(
        "1/angstrom", "Range separation; 0 for a global hybrid", default=0.0
    )
    dielectric_constant: float | None = quantity(
        "1", "Dielectric constant that set the fraction (ddh only)", default=None
    )
    valence_band_maximum: float = quantity("eV", "VBM - average electrostatic potential")
    conduction_band_minimum: float = quantity("eV", "CBM - average electrostatic potential")
    band_gap: float = quantity(
        "eV", "Gap, corrections for self-consistency and spin-orbit coupling included where made"
    )
    one_shot_band_gap: float | None = quantity(
        "eV", "Gap of the one-shot hybrid at the semilocal density", default=None
    )
    self_consistency_gap_correction: float | None = quantity(
        "eV", "Gap change by self-consistency; None where it was not computed", default=None
    )
    semilocal_valence_band_maximum: float = quantity("eV", "Semilocal VBM, same reference")
    semilocal_conduction_band_minimum: float = quantity("eV", "Semilocal CBM, same reference")
    valence_band_k_point: Vector3 = quantity("1", "k-point of the VBM, reduced")
    conduction_band_k_point: Vector3 = quantity("1", "k-point of the CBM, reduced")
    is_direct: bool = Field(description="Whether both edges are at one k-point")
    spin_orbit: bool = Field(default=False, description="Whether spin-orbit coupling is included")
    spin_orbit_valence_change: float | None = quantity(
        "eV", "Change of the VBM by spin-orbit coupling, where it is a correction", default=None
    )
    spin_orbit_conduction_change: float | None = quantity(
        "eV", "Change of the CBM by spin-orbit coupling, where it is a correction", default=None
    )
    spin_orbit_splitting: float | None = quantity(
        "eV", "Splitting of a threefold VBM by spin-orbit coupling", default=None
    )
    site_potentials: list[float] = quantity(
        "eV", "Electrostatic potential at the sites, same reference; the semilocal density"
    )
    calculation: CalculationRecord = Field(description="How it was computed")


class SlabPotentialDocument(Document):
    """Electrostatic potential of a slab: what the alignment needs."""

    structure: Structure = Field(description="Slab as computed")
    energy: float = quantity("eV", "Total energy of the slab cell")
    positions: list[float] = quantity(
        "angstrom", "Heights of the planes along the normal, from 0, uniform, endpoint excluded"
    )
    planar_average: list[float] = quantity(
        "eV", "Planar average of the electron's potential energy"
    )
    site_potentials: list[float] = quantity(
        "eV", "Electrostatic potential at the sites, same reference as planar_average"
    )
    dipole_corrected: bool = Field(
        default=False, description="Whether a dipole correction was applied"
    )
    calculation: CalculationRecord = Field(description="How it was computed")


class RelaxationStep(Document):
    """One geometry on the way of a relaxation."""

    energy: float = quantity("eV", "Total energy of the slab cell")
    largest_force: float = quantity("eV/angstrom", "Largest symmetric force on a free atom")
    level: float = quantity(
        "eV", "Vacuum level against the sites in the slab's centre, up to a constant"
    )
    newton_step: float = quantity("angstrom", "Largest displacement that the Hessian asks for")
    predicted_change: float = quantity(
        "eV", "Level at the minimum minus the level here, first order"
    )
    predicted_error: float = quantity("eV", "How far that may be wrong", default=0.0)
    precise: bool = Field(description="Whether the electrons met the full criterion")


class SlabRelaxationDocument(Document):
    """A slab with relaxed ions at a fixed cell. Site properties of the input are kept."""

    structure: Structure = Field(description="Relaxed slab")
    initial_structure: Structure = Field(description="Slab before relaxation")
    energy: float = quantity("eV", "Total energy of the slab cell")
    max_force: float = quantity("eV/angstrom", "Largest remaining force on an atom")
    max_displacement: float = quantity("angstrom", "Largest displacement of an atom")
    n_steps: int = Field(description="Steps of the optimizer")
    converged: bool = Field(description="Whether the criteria of the relaxation were met")
    predicted_change: float | None = quantity(
        "eV", "IP at the minimum minus IP at the last geometry, to first order", default=None
    )
    predicted_error: float | None = quantity(
        "eV", "How far the IP predicted for the minimum may be wrong", default=None
    )
    centre_change: float | None = quantity(
        "eV",
        "Change of the IP when held atoms in the centre are released, to first order",
        default=None,
    )
    level_per_force: float | None = quantity(
        "angstrom",
        "How an error of the forces shows in the IP at the minimum (eV per eV/angstrom)",
        default=None,
    )
    start: str = Field(
        default="", description="Where the relaxation started: 'bulk cut', or a potential's name"
    )
    start_refusals: list[str] = Field(
        default_factory=list, description="Why the start of a pretrained potential was not taken"
    )
    steps: list[RelaxationStep] = Field(
        default_factory=list, description="All energies and forces on the way, in order"
    )
    potential: SlabPotentialDocument | None = Field(
        default=None, description="Potential of the relaxed slab, where its last step holds it"
    )
    calculation: CalculationRecord = Field(description="How it was computed")


class SurfaceIdentity(Document):
    """What a surface is. A failed result may know only some of it."""

    formula: str = Field(description="Reduced formula")
    space_group_symbol: str = Field(default="", description="Space group of the bulk")
    space_group_number: int = Field(default=0, description="Its number")
    source: str = Field(
        default="", description="Where the crystal came from, e.g. 'library:MgO', 'file:x.cif'"
    )
    crystal_notes: list[str] = Field(
        default_factory=list,
        description="What was unusual about the crystal or its file when it was read",
    )
    miller_index: tuple[int, int, int] | None = Field(
        default=None, description="Orientation in the conventional cell"
    )
    termination: str = Field(default="", description="Tasker-like class: 'A', 'B' or 'C'")
    termination_label: str = Field(default="", description="Composition of the outermost planes")
    n_atoms: int | None = Field(default=None, description="Atoms in the slab")
    area: float | None = quantity("angstrom^2", "Area of one face", default=None)
    slab_thickness: float | None = quantity(
        "angstrom", "Distance of the outermost atomic planes", default=None
    )
    vacuum_thickness: float | None = quantity(
        "angstrom", "Empty height between slab images", default=None
    )
    bulk_repeat: float | None = quantity(
        "angstrom", "Period of the bulk along the normal", default=None
    )
    excess_oxygen: int = Field(
        default=0,
        description="Oxygen atoms of the slab beyond the stoichiometric amount; negative where reduced",
    )

    @property
    def identity(self) -> dict[str, Any]:
        """These fields alone, by name."""
        return {name: getattr(self, name) for name in SurfaceIdentity.model_fields}


class SurfaceDescription(SurfaceIdentity):
    """Which surface: everything that is known before any calculation."""

    identifier: str = Field(description="Stable identifier of crystal + surface + thickness")
    name: str = Field(description="Human name, e.g. 'MgO(100)-A'")
    slab: Structure = Field(
        description="Unrelaxed slab; c along the normal; site property bulk_site maps to the bulk"
    )
    oriented_bulk: Structure = Field(description="One bulk repeat in the slab's in-plane cell")
    # Known here, always.
    miller_index: tuple[int, int, int] = Field(description="Orientation in the conventional cell")
    n_atoms: int = Field(description="Atoms in the slab")
    area: float = quantity("angstrom^2", "Area of one face")
    slab_thickness: float = quantity("angstrom", "Distance of the outermost atomic planes")
    vacuum_thickness: float = quantity("angstrom", "Empty height between slab images")
    bulk_repeat: float = quantity("angstrom", "Period of the bulk along the normal")


class SurfaceSetDocument(Document):
    """The surfaces of one crystal that a run asked for, and where their results will be."""

    surfaces: list[SurfaceDescription] = Field(description="The surfaces")
    result_identifiers: list[str] = Field(description="Identifiers of the results, in this order")


class StepTiming(Document):
    """Cost of one step."""

    step: str = Field(description="Name of the step")
    wall_time: float = quantity("s", "Wall time")
    cpu_time: float = quantity("s", "CPU time summed over all processes")
    cores: int = Field(description="Cores it ran on")


class PotentialProfile(Document):
    """The curves behind a result, for figures and for recomputing the levels."""

    positions: list[float] = quantity("angstrom", "Heights along the normal")
    planar_average: list[float] = quantity("eV", "Planar average, vacuum level at its own zero")
    macroscopic_average: list[float] = quantity("eV", "Macroscopic average")


class ErrorRecord(Document):
    """Why there is no number."""

    error: str = Field(description="Name of the error class")
    message: str = Field(description="Its message: found, expected, remedy")
    step: str = Field(description="Step that failed")


class Registration(Document):
    """What is known of levels that were measured, or computed by others."""

    template: str = Field(description="Template by which they were registered, e.g. 'ups'")
    technique: str = Field(description="How they were found, e.g. 'UPS'")
    phase: str = Field(default="", description="Polymorph, or kind of film")
    face: str = Field(
        default="stoichiometric",
        description="stoichiometric, oxidised, reduced or exposed (to air)",
    )
    sample: str = Field(default="", description="What was measured, e.g. 'single crystal, n-type'")
    preparation: str = Field(default="", description="How the surface was made")
    grade: str = Field(
        default="", description="A: clean, in vacuum; B: unknown, or in air; C: contaminated"
    )
    uncertainties: dict[str, float] = quantity(
        "eV", "Stated uncertainties, by the names of the levels", default_factory=dict
    )
    reference: str = Field(description="Where they were published, or who measured them")
    doi: str = Field(default="", description="Its DOI")
    note: str = Field(default="", description="What a reader should know")
    details: dict[str, Any] = Field(
        default_factory=dict, description="Further fields of the template"
    )


class SurfaceLevelsDocument(SurfaceIdentity):
    """The result: levels of one surface with its checks, method, cost and provenance."""

    identifier: str = Field(description="Unique: surface + method + settings")
    state: ResultState = Field(
        description="passed; flagged: see failed_checks; failed: see error; registered: see registration"
    )
    origin: Origin = Field(
        default=Origin.COMPUTED, description="computed, measured, or foreign: computed by others"
    )
    surface_identifier: str = Field(
        default="", description="Identifier of crystal + surface + thickness"
    )
    surface_name: str = Field(default="", description="Human name, e.g. 'MgO(100)-A'")
    functional: str = Field(
        description="Name of the method of the band edges, made of all of it, e.g. 'ddh', 'hse06@pbe+u-Ti3'"
    )
    semilocal_functional: str = Field(
        default=Functional.PBESOL.value, description="Name of the method of the density"
    )
    quality: str = Field(description="Name of the preset of numerical settings")
    relaxed: bool = Field(description="Whether the ions of the slab were relaxed")

    ionization_potential: float | None = quantity("eV", "Vacuum level - VBM", default=None)
    electron_affinity: float | None = quantity("eV", "Vacuum level - CBM", default=None)
    band_gap: float | None = quantity("eV", "Bulk band gap", default=None)
    surface_energy: float | None = quantity("J/m^2", "Surface energy", default=None)
    surface_energy_method: str = Field(
        default="", description="How the bulk's share of the energy was obtained"
    )
    surface_energy_oxygen_rich: float | None = quantity(
        "J/m^2",
        "Surface energy at zero chemical potential of oxygen, of slabs with excess_oxygen; falls with "
        "rising potential by excess_oxygen / (2 area)",
        default=None,
    )
    oxygen_energy: float | None = quantity(
        "eV",
        "Energy of an oxygen atom at zero chemical potential, half an O2 molecule",
        default=None,
    )
    oxygen_reference: str = Field(
        default="", description="How oxygen_energy was found: 'water', from H2O and H2"
    )
    area_fraction: float | None = quantity(
        "1",
        "Share in the area of the crystal's equilibrium shape, made of all passed results of the method",
        default=None,
    )
    termination_weight: float | None = quantity(
        "1", "Share of its orientation that it covers at 300 K, at most", default=None
    )
    dielectric_constant: float | None = quantity(
        "1", "Electronic dielectric constant", default=None
    )
    exchange_fraction: float | None = quantity("1", "Fraction of exact exchange", default=None)
    potential_step: float | None = quantity(
        "eV", "Vacuum level - macroscopic average in the slab centre", default=None
    )
    level_corrections: dict[str, float] = quantity(
        "eV",
        "What IP and EA hold beyond the slab as computed: 'relaxation', from its last geometry to the "
        "minimum, and 'held_centre', both to first order",
        default_factory=dict,
    )
    convergence_error: float | None = quantity(
        "eV", "How far the IP may be from its converged value, functional aside", default=None
    )
    convergence_parts: dict[str, float] = quantity(
        "eV", "What convergence_error is made of", default_factory=dict
    )
    ionization_potential_site_potentials: float | None = quantity(
        "eV", "IP aligned by the potentials at atomic sites", default=None
    )
    semilocal_ionization_potential: float | None = quantity(
        "eV", "IP with the semilocal band edge", default=None
    )
    semilocal_band_gap: float | None = quantity("eV", "Semilocal band gap", default=None)
    checks: list[Check] = Field(
        default_factory=list, description="All checks of all steps and of the alignment"
    )
    failed_checks: list[str] = Field(default_factory=list, description="Names of failed checks")
    warnings: list[str] = Field(
        default_factory=list, description="What the method leaves out for this material"
    )
    error: ErrorRecord | None = Field(
        default=None, description="Why there is no number (failed results)"
    )

    registration: Registration | None = Field(
        default=None, description="Technique, sample and source of registered levels"
    )

    bulk_structure: Structure | None = Field(
        default=None, description="Bulk cell of the band edges"
    )
    slab_structure: Structure | None = Field(default=None, description="Slab as computed")
    unrelaxed_slab_structure: Structure | None = Field(
        default=None, description="Slab before relaxation"
    )
    potential: PotentialProfile | None = Field(
        default=None, description="The potential curves of the slab"
    )

    engine: str = Field(default="", description="Engine, e.g. 'gpaw'")
    engine_version: str = Field(default="", description="Version of the engine")
    code_versions: dict[str, str] = Field(
        default_factory=dict, description="Versions of the other codes that shaped the number"
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="Settings of every step")
    settings_hash: str = Field(
        default="", description="SHA-256 of the canonical JSON of the settings"
    )
    timings: list[StepTiming] = Field(default_factory=list, description="Cost of every step")
    provenance: dict[str, str] = Field(
        default_factory=dict, description="Step name to the uuid of the job that made it"
    )
    levels_version: int = Field(
        default=0, description="Version of the formulas between the steps and the levels"
    )
    corrections: list[Correction] = Field(
        default_factory=list, description="What error recovery changed in its steps"
    )
    archives: dict[str, str] = Field(
        default_factory=dict, description="Step name to the folder of its raw files"
    )
    sharing: Sharing | None = Field(
        default=None,
        description="Copy of the record of who may see it; without one only who runs the store",
    )
    created_at: datetime = Field(
        default_factory=lambda: datetime.now(UTC), description="When the result was made, UTC"
    )

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """Show what the result is of and what it says; its structures and curves fill pages."""
        yield "surface_name", self.surface_name or self.formula
        for name in ("ionization_potential", "electron_affinity", "band_gap", "surface_energy"):
            value = getattr(self, name)
            yield name, None if value is None else round(value, 3)
        yield "state", self.state.value
