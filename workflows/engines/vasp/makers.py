"""The makers of the VASP engine: one jobflow job per step of the flow.

A job runs all calculations of its step in sub-folders under custodian, and reads them into the documents
that every engine returns. Serialised fields are numerical settings only: processors, queues, commands
and the tags that follow from them (KPAR, NCORE) are those of the machine that runs the job.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from jobflow import CURRENT_JOB, Maker, Response, job
from pymatgen.core import Structure

from surfalign.errors import ConvergenceError
from surfalign.settings import load_settings
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
from surfalign.workflows.engines.resources import Kind, StepResources
from surfalign.workflows.engines.vasp import reading, steps
from surfalign.workflows.engines.vasp.archive import StepDocument, archive_step
from surfalign.workflows.engines.vasp.band_edges import BandEdgesStep
from surfalign.workflows.engines.vasp.context import StepContext
from surfalign.workflows.engines.vasp.estimates import Estimator, InputWriter
from surfalign.workflows.engines.vasp.hybrids import HYBRIDS, exchange_fraction
from surfalign.workflows.engines.vasp.machine import this_machine
from surfalign.workflows.engines.vasp.runner import CheckpointReached, Runner, StepRunner
from surfalign.workflows.engines.vasp.settings import STANDARD, VaspSettings, preset

#: Times that one step may be continued after its wall time.
MOST_CONTINUATIONS = 20
#: Dielectric constant that dry runs and estimates assume where none is known.
ASSUMED_DIELECTRIC_CONSTANT = 4.0


@dataclass
class VaspMaker(Maker):
    """What the makers share.

    Parameters
    ----------
    settings
        Numerical settings.
    """

    name: str = "vasp"
    settings: VaspSettings = field(default_factory=lambda: STANDARD)

    kind: ClassVar[Kind] = "cpu"

    def calculations(self, run: Runner, structure: Structure) -> None:
        """Walk through the calculations of the step, for a runner that runs nothing."""
        raise NotImplementedError

    def resources(self, structure: Structure) -> StepResources:
        """Estimate what the step needs for a cell."""
        estimator = Estimator(self._kind())
        self.calculations(estimator, structure)
        return estimator.total()

    def write_inputs(self, structure: Structure, folder: Path) -> StepResources:
        """Write the inputs of the step's calculations, potentials by name; return its cost."""
        writer = InputWriter(self._kind(), root=folder)
        self.calculations(writer, structure)
        return writer.total()

    def _kind(self) -> Kind:
        return self.kind

    def _compute(
        self,
        step: str,
        xc: str,
        prev_dir: str | None,
        work: Callable[[Runner, Callable[[], StepContext]], StepDocument],
        **extra: Any,
    ) -> StepDocument:
        """Run the calculations in the step's folder, read them, and archive the files.

        Parameters
        ----------
        step, xc
            Kind of step and its functional, for the record.
        prev_dir
            Folder of an earlier part of this step, stopped for the wall time.
        work
            Runs the calculations and reads the document.
        extra
            Settings of this step besides the preset's.

        Raises
        ------
        CheckpointReached
            When the wall time is nearly used up.
        """
        started = datetime.now(UTC)
        settings = load_settings()
        machine = this_machine(settings)
        root = Path(prev_dir) if prev_dir and Path(prev_dir).is_dir() else _new_folder(step)
        root.mkdir(parents=True, exist_ok=True)
        runner = StepRunner(root.resolve(), settings, machine)

        def context() -> StepContext:
            return StepContext(
                step=step,
                quality=self.settings.quality,
                xc=xc,
                settings=self.settings.numerical() | extra,
                started_at=started,
                cores=machine.gpus or machine.cores,
                folders=dict(runner.folders),
                corrections=runner.corrections,
            )

        document = work(runner, context)
        return archive_step(document, context())

    def _continued(
        self, reached: CheckpointReached, continuation: int, *inputs: Any
    ) -> Response[Any]:
        """Replace this job by one that goes on in its folder, with a wall time of its own."""
        if continuation >= MOST_CONTINUATIONS:
            raise ConvergenceError(
                f"the step in {reached.root} was continued {continuation} times",
                "an end",
                "look at its last calculation; ask for a longer wall time",
            )
        follower = type(self).make(
            self, *inputs, prev_dir=str(reached.root), continuation=continuation + 1
        )
        return Response(replace=follower)


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

    name: str = "vasp bulk"
    oriented: bool = False

    def calculations(self, run: Runner, structure: Structure) -> None:
        """Walk through the calculations of the step."""
        self._walk(run, structure)

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

        def work(run: Runner, context: Callable[[], StepContext]) -> BulkDocument:
            return reading.read_bulk(self._walk(run, structure), structure, context())

        try:
            return self._compute(
                "oriented_bulk" if self.oriented else "bulk", "PBEsol", prev_dir, work
            )
        except CheckpointReached as reached:
            return self._continued(reached, continuation, structure)

    def _walk(self, run: Runner, structure: Structure) -> Path:
        step = steps.oriented_bulk if self.oriented else steps.bulk
        return step(run, self.settings, structure)


@dataclass
class VaspDielectricMaker(VaspMaker):
    """Electronic dielectric tensor by density-functional perturbation theory."""

    name: str = "vasp dielectric"

    def calculations(self, run: Runner, structure: Structure) -> None:
        """Walk through the calculations of the step."""
        steps.dielectric(run, self.settings, structure)

    @job(output_schema=DielectricDocument)
    def make(
        self, structure: Structure, prev_dir: str | None = None, continuation: int = 0
    ) -> DielectricDocument | Response[Any]:
        """Compute the dielectric tensor; parameters as for the bulk."""

        def work(run: Runner, context: Callable[[], StepContext]) -> DielectricDocument:
            folder = steps.dielectric(run, self.settings, structure)
            return reading.read_dielectric(folder, structure, context())

        try:
            return self._compute("dielectric", "PBEsol", prev_dir, work)
        except CheckpointReached as reached:
            return self._continued(reached, continuation, structure)


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

    name: str = "vasp band edges"
    functional: str = Functional.DDH.value

    def _kind(self) -> Kind:
        return "cpu" if HYBRIDS[self.functional] is None else "gpu"

    def calculations(self, run: Runner, structure: Structure) -> None:
        """Walk through the calculations of the step, with an assumed dielectric constant."""
        BandEdgesStep(run, self.settings, structure).compute(
            self.functional, ASSUMED_DIELECTRIC_CONSTANT
        )

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

        def work(run: Runner, context: Callable[[], StepContext]) -> BandEdgesDocument:
            step = BandEdgesStep(run, self.settings, structure)
            folders = step.compute(self.functional, dielectric_constant)
            return reading.read_band_edges(
                folders.semilocal,
                folders.hybrid,
                structure,
                context(),
                functional=self.functional,
                exchange_fraction=fraction,
                screening=hybrid.screening if hybrid else 0.0,
                dielectric_constant=(
                    dielectric_constant if self.functional == Functional.DDH else None
                ),
                self_consistent=folders.self_consistent,
            )

        try:
            return self._compute(
                "band_edges",
                self.functional,
                prev_dir,
                work,
                functional=self.functional,
                exchange_fraction=fraction,
            )
        except CheckpointReached as reached:
            return self._continued(reached, continuation, structure, dielectric_constant)


@dataclass
class VaspSlabRelaxMaker(VaspMaker):
    """Relax the ions of a slab at fixed cell, keeping its symmetry and site properties."""

    name: str = "vasp slab relaxation"

    def calculations(self, run: Runner, structure: Structure) -> None:
        """Walk through the calculations of the step."""
        steps.slab_relaxation(run, self.settings, structure)

    @job(output_schema=SlabRelaxationDocument)
    def make(
        self, slab: Structure, prev_dir: str | None = None, continuation: int = 0
    ) -> SlabRelaxationDocument | Response[Any]:
        """Relax a slab.

        Parameters
        ----------
        slab
            Slab with its normal along c.
        prev_dir, continuation
            Folder and number of this continuation, after the wall time.
        """

        def work(run: Runner, context: Callable[[], StepContext]) -> SlabRelaxationDocument:
            return reading.read_slab_relaxation(
                steps.slab_relaxation(run, self.settings, slab),
                slab,
                context(),
                force_tolerance=self.settings.force_tolerance,
            )

        try:
            return self._compute("slab_relaxation", "PBEsol", prev_dir, work)
        except CheckpointReached as reached:
            return self._continued(reached, continuation, slab)


@dataclass
class VaspSlabPotentialMaker(VaspMaker):
    """Electrostatic potential of a slab; slabs whose faces differ get a dipole correction."""

    name: str = "vasp slab potential"

    def calculations(self, run: Runner, structure: Structure) -> None:
        """Walk through the calculations of the step."""
        steps.slab_potential(run, self.settings, structure)

    @job(output_schema=SlabPotentialDocument)
    def make(
        self, slab: Structure, prev_dir: str | None = None, continuation: int = 0
    ) -> SlabPotentialDocument | Response[Any]:
        """Compute the potential of a slab; parameters as for its relaxation."""
        corrected = steps.dipole_centre(slab) is not None

        def work(run: Runner, context: Callable[[], StepContext]) -> SlabPotentialDocument:
            folder = steps.slab_potential(run, self.settings, slab)
            return reading.read_slab_potential(folder, slab, context(), dipole_corrected=corrected)

        try:
            return self._compute(
                "slab_potential", "PBEsol", prev_dir, work, dipole_correction=corrected
            )
        except CheckpointReached as reached:
            return self._continued(reached, continuation, slab)


def _new_folder(step: str) -> Path:
    """Where a step runs: in the scratch of the settings, else in the folder of its job.

    The name holds the job's uuid: a job that is started again after a crash finds what it had done.
    """
    uuid = CURRENT_JOB.job.uuid if CURRENT_JOB.job is not None else "local"
    scratch = load_settings().vasp_run_directory
    return (scratch or Path.cwd()) / f"{step}-{uuid}"


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
