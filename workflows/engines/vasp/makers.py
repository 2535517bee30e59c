"""The makers of the VASP engine: one jobflow job per step of the flow.

A job runs all calculations of its step in sub-folders under custodian, and reads them into the documents
that every engine returns. Serialised fields are numerical settings only: processors, queues, commands
and the tags that follow from them (KPAR, NCORE) are those of the machine that runs the job.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from jobflow import Response, job
from pymatgen.core import Structure

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
from surfalign.workflows.engines.functionals import (
    HYBRIDS,
    Method,
    edges_label,
    exchange_fraction,
)
from surfalign.workflows.engines.step_resources import Kind
from surfalign.workflows.engines.vasp import steps
from surfalign.workflows.engines.vasp.band_edges import BandEdgesStep, EdgeFolders
from surfalign.workflows.engines.vasp.inputs.hubbard import hubbard_u
from surfalign.workflows.engines.vasp.inputs.potentials import cell_cutoff_notes
from surfalign.workflows.engines.vasp.inputs.settings import preset
from surfalign.workflows.engines.vasp.maker import VaspMaker
from surfalign.workflows.engines.vasp.outputs import reading
from surfalign.workflows.engines.vasp.outputs.calculation import Calculation
from surfalign.workflows.engines.vasp.outputs.edges import read_band_edges
from surfalign.workflows.engines.vasp.outputs.step_context import StepContext
from surfalign.workflows.engines.vasp.running.runner import Runner
from surfalign.workflows.engines.vasp.slab_start import SlabStart, ask_for_start

#: Dielectric constant that dry runs and estimates assume where none is known.
ASSUMED_DIELECTRIC_CONSTANT = 4.0


@dataclass
class VaspBulkMaker(VaspMaker):
    """The relaxed bulk crystal, or the energy of a bulk cell oriented like a slab.

    Parameters
    ----------
    settings
        Numerical settings.
    oriented
        Whether the cell is oriented like a slab: not relaxed, with the slab's k-points in the plane.
    """

    stable_name: ClassVar[str] = "vasp.bulk"

    name: str = "vasp bulk"
    oriented: bool = False

    def calculations(self, run: Runner, structure: Structure) -> Path:
        """Walk through the calculations of the step."""
        step = steps.oriented_bulk if self.oriented else steps.bulk
        return step(run, self.settings, structure)

    @job(output_schema=BulkDocument)
    def make(
        self, structure: Structure, prev_dir: str | None = None, continuation: int = 0
    ) -> BulkDocument | Response[Any]:
        """Compute the bulk.

        Parameters
        ----------
        structure
            The bulk crystal.
        prev_dir, continuation
            Folder and number of this continuation, after the wall time.
        """

        def read(folder: Path, context: StepContext) -> BulkDocument:
            notes = [] if self.oriented else cell_cutoff_notes(structure, self.settings.cutoff)
            noted = replace(context, warnings=[*context.warnings, *notes])
            return reading.read_bulk(folder, structure, noted)

        step = "oriented_bulk" if self.oriented else "bulk"
        return self._compute(step, "PBEsol", (structure,), (prev_dir, continuation), read)


@dataclass
class VaspDielectricMaker(VaspMaker):
    """Electronic dielectric tensor by density-functional perturbation theory."""

    stable_name: ClassVar[str] = "vasp.dielectric"

    name: str = "vasp dielectric"

    def calculations(self, run: Runner, structure: Structure) -> Path:
        """Walk through the calculations of the step."""
        return steps.dielectric(run, self.settings, structure)

    @job(output_schema=DielectricDocument)
    def make(
        self, structure: Structure, prev_dir: str | None = None, continuation: int = 0
    ) -> DielectricDocument | Response[Any]:
        """Compute the dielectric tensor; parameters as for the bulk."""

        def read(folder: Path, context: StepContext) -> DielectricDocument:
            return reading.read_dielectric(folder, structure, context)

        return self._compute("dielectric", "PBEsol", (structure,), (prev_dir, continuation), read)


@dataclass
class VaspBandEdgesMaker(VaspMaker):
    """Band edges of the bulk against its average electrostatic potential.

    Parameters
    ----------
    settings
        Numerical settings.
    functional
        ``ddh``, ``hse06``, ``pbe0`` or ``pbesol``.
    """

    stable_name: ClassVar[str] = "vasp.band_edges"

    name: str = "vasp band edges"
    functional: str = Functional.DDH.value

    notes: ClassVar[str] = (
        f"AEXX of the dielectric-dependent hybrid is 1 / {ASSUMED_DIELECTRIC_CONSTANT:g} here; the"
        " dielectric step sets it.\n"
        "The band edges stand at Gamma here; the calculation 'bands' says where they are.\n"
        "NBANDS is VASP's default here, then that of the calculation 'edges'.\n"
    )

    def _kind(self) -> Kind:
        return "cpu" if HYBRIDS[self.functional] is None else "gpu"

    def _density(self, structure: Structure) -> Method:
        """All that makes the functional of the density behind the band edges."""
        elements = sorted({site.specie.symbol for site in structure})
        values = {e: u.value for e in elements if (u := hubbard_u(e)) and self.settings.hubbard_u}
        spinors = self.settings.couples_spin_orbit(set(elements))
        dispersion = "" if self.settings.dispersion == "off" else self.settings.dispersion
        return Method(
            Functional.PBESOL.value, hubbard_u=values, dispersion=dispersion, spin_orbit=spinors
        )

    def calculations(
        self,
        run: Runner,
        structure: Structure,
        dielectric_constant: float | None = ASSUMED_DIELECTRIC_CONSTANT,
    ) -> EdgeFolders:
        """Walk through the calculations of the step, where nothing is known with an assumed constant."""
        step = BandEdgesStep(run, self.settings, structure)
        return step.compute(self.functional, dielectric_constant)

    @job(output_schema=BandEdgesDocument)
    def make(
        self,
        structure: Structure,
        dielectric_constant: float | None = None,
        prev_dir: str | None = None,
        continuation: int = 0,
    ) -> BandEdgesDocument | Response[Any]:
        """Compute the band edges.

        Parameters
        ----------
        structure
            The bulk crystal.
        dielectric_constant
            Sets the exchange fraction of ``ddh``.
        prev_dir, continuation
            Folder and number of this continuation, after the wall time.
        """
        fraction = exchange_fraction(self.functional, dielectric_constant)
        hybrid = HYBRIDS[self.functional]
        density = self._density(structure)
        label = density.label() if hybrid is None else self.functional
        if hybrid is not None and density.spin_orbit:
            label += "+soc"

        def read(folders: EdgeFolders, context: StepContext) -> BandEdgesDocument:
            return read_band_edges(
                folders.semilocal,
                folders.hybrid,
                structure,
                context,
                functional=edges_label(label, density, hybrid=hybrid is not None),
                semilocal_functional=density.label(),
                exchange_fraction=fraction,
                screening=hybrid.screening if hybrid else 0.0,
                dielectric_constant=(
                    dielectric_constant if self.functional == Functional.DDH else None
                ),
                self_consistent=folders.self_consistent,
                band_structures=[Calculation(folders.search)],
            )

        return self._compute(
            "band_edges",
            self.functional,
            (structure, dielectric_constant),
            (prev_dir, continuation),
            read,
            functional=self.functional,
            exchange_fraction=fraction,
        )


@dataclass
class VaspSlabRelaxMaker(VaspMaker):
    """Relax the ions of a slab at fixed cell, keeping its symmetry and site properties.

    Where a pretrained potential is installed, VASP's optimiser starts where it puts the atoms.
    """

    stable_name: ClassVar[str] = "vasp.slab_relaxation"
    takes_oriented_bulk: ClassVar[bool] = True

    name: str = "vasp slab relaxation"

    def calculations(
        self, run: Runner, structure: Structure, oriented_bulk: Structure | None = None
    ) -> tuple[Path, SlabStart]:
        """Walk through the calculations of the step; return the last one's folder and their start."""
        found = run.once("start", lambda: ask_for_start(structure, oriented_bulk))
        start = SlabStart(**found) if found else SlabStart(structure.cart_coords.tolist())
        return steps.slab_relaxation(run, self.settings, start.of(structure)), start

    @job(output_schema=SlabRelaxationDocument)
    def make(
        self,
        slab: Structure,
        oriented_bulk: Structure | None = None,
        prev_dir: str | None = None,
        continuation: int = 0,
    ) -> SlabRelaxationDocument | Response[Any]:
        """Relax a slab.

        Parameters
        ----------
        slab
            Slab with its normal along c.
        oriented_bulk
            Bulk cell with the slab's in-plane vectors: a pretrained potential needs it for a start.
        prev_dir, continuation
            Folder and number of this continuation, after the wall time.
        """

        def read(done: tuple[Path, SlabStart], context: StepContext) -> SlabRelaxationDocument:
            folder, start = done
            tolerance = self.settings.force_tolerance
            document = reading.read_slab_relaxation(
                folder, slab, context, force_tolerance=tolerance
            )
            document.start, document.start_refusals = start.name, list(start.refusals)
            document.calculation.cpu_time += start.cpu_time
            return document

        inputs = (slab, oriented_bulk)
        return self._compute("slab_relaxation", "PBEsol", inputs, (prev_dir, continuation), read)


@dataclass
class VaspSlabPotentialMaker(VaspMaker):
    """Electrostatic potential of a slab; slabs whose faces differ get a dipole correction."""

    stable_name: ClassVar[str] = "vasp.slab_potential"

    name: str = "vasp slab potential"

    def calculations(self, run: Runner, structure: Structure) -> Path:
        """Walk through the calculations of the step."""
        return steps.slab_potential(run, self.settings, structure)

    @job(output_schema=SlabPotentialDocument)
    def make(
        self, slab: Structure, prev_dir: str | None = None, continuation: int = 0
    ) -> SlabPotentialDocument | Response[Any]:
        """Compute the potential of a slab; parameters as for its relaxation."""
        corrected = steps.dipole_centre(slab) is not None

        def read(folder: Path, context: StepContext) -> SlabPotentialDocument:
            return reading.read_slab_potential(folder, slab, context, dipole_corrected=corrected)

        return self._compute(
            "slab_potential",
            "PBEsol",
            (slab,),
            (prev_dir, continuation),
            read,
            dipole_correction=corrected,
        )


def vasp_engine(
    quality: str = Quality.STANDARD.value,
    functional: str = Functional.DDH.value,
    equation_of_state: bool = False,
    **options: Any,
) -> Engine:
    """Return the VASP engine at one quality.

    Parameters
    ----------
    quality
        ``quick``, ``standard`` (the published protocol) or ``converged``.
    functional
        Functional of the bulk band edges.
    equation_of_state
        Changes nothing: the protocol relaxes the cell in any case.
    options
        Other fields of :class:`~.settings.VaspSettings`: ``self_consistent``, ``hubbard_u``,
        ``spin_orbit``, ``potcar_functional``.

    Raises
    ------
    ConfigurationError
        When there is no such preset or option.
    """
    settings = preset(quality, **options)
    return Engine(
        name="vasp",
        quality=settings.quality,
        functional=str(functional),
        bulk_maker=VaspBulkMaker(settings=settings),
        oriented_bulk_maker=VaspBulkMaker(
            name="vasp oriented bulk", settings=settings, oriented=True
        ),
        dielectric_maker=VaspDielectricMaker(settings=settings),
        band_edges_maker=VaspBandEdgesMaker(settings=settings, functional=str(functional)),
        slab_relax_maker=VaspSlabRelaxMaker(settings=settings),
        slab_potential_maker=VaspSlabPotentialMaker(settings=settings),
        slab_thickness=settings.slab_thickness,
        vacuum_thickness=settings.vacuum_thickness,
    )
