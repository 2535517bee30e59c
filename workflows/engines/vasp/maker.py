"""What the makers of the VASP engine share: a folder, a runner, a record, and continuation."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from jobflow import CURRENT_JOB, Maker, Response
from pymatgen.core import Structure

from surfalign.errors import ConvergenceError
from surfalign.settings import load_settings
from surfalign.workflows.engines.step_resources import Kind, StepResources
from surfalign.workflows.engines.vasp.dry_runners import Estimator, InputWriter
from surfalign.workflows.engines.vasp.inputs.settings import STANDARD, VaspSettings
from surfalign.workflows.engines.vasp.outputs.step_context import StepContext
from surfalign.workflows.engines.vasp.running.archive import StepDocument, archive_step
from surfalign.workflows.engines.vasp.running.machine import Machine, this_machine
from surfalign.workflows.engines.vasp.running.runner import CheckpointReached, Runner, StepRunner

#: Times that one step may be continued after its wall time.
MOST_CONTINUATIONS = 20


_NOTES = """\
POTCAR.spec names the potentials; pymatgen makes the POTCAR from your licensed files (PMG_VASP_PSP_DIR).
KPAR and NCORE are chosen on the machine that runs a calculation.
The structures are those that were given: earlier steps, which relax them, have not run.
"""


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
    #: What the inputs of this step assume when nothing has run.
    notes: ClassVar[str] = ""

    def calculations(self, run: Runner, structure: Structure) -> Any:
        """Walk through the calculations of the step; return where they are, for its reader."""
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
        (folder / "NOTES.txt").write_text(_NOTES + self.notes)
        return writer.total()

    def _kind(self) -> Kind:
        return self.kind

    def _compute(
        self,
        step: str,
        xc: str,
        inputs: tuple[Any, ...],
        part: tuple[str | None, int],
        read: Callable[[Any, StepContext], StepDocument],
        **extra: Any,
    ) -> StepDocument | Response[Any]:
        """Run the calculations in the step's folder, read them, and archive the files.

        Near the end of the wall time the job is replaced by one that goes on.

        Parameters
        ----------
        step, xc
            Kind of step and its functional, for the record.
        inputs
            Of the step, as :meth:`calculations` takes them.
        part
            Folder of an earlier part of this step, stopped for the wall time, and the number of this
            continuation.
        read
            Makes the document of what :meth:`calculations` returned.
        extra
            Settings of this step besides the preset's.
        """
        prev_dir, continuation = part
        started = datetime.now(UTC)
        settings = load_settings()
        machine = _worth_stopping(this_machine(settings), settings.vasp_checkpoint_before)
        root = Path(prev_dir) if prev_dir and Path(prev_dir).is_dir() else _new_folder(step)
        root.mkdir(parents=True, exist_ok=True)
        runner = StepRunner(root.resolve(), settings, machine)
        try:
            folders = self.calculations(runner, *inputs)
        except CheckpointReached as reached:
            return self._continued(reached, continuation, *inputs)
        context = StepContext(
            step=step,
            quality=self.settings.quality,
            xc=xc,
            settings=self.settings.numerical() | extra,
            started_at=started,
            cores=machine.gpus or machine.cores,
            folders=dict(runner.folders),
            corrections=runner.corrections,
        )
        return archive_step(read(folders, context), context)

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


def _worth_stopping(machine: Machine, checkpoint_before: float) -> Machine:
    """The machine without its deadline where a job starts shortly before it.

    VASP would be asked to stop at once, again and again, and never come far; what is killed instead goes
    on from where it was when the queue, or the workflow manager, starts the job again.
    """
    if machine.deadline is None or machine.deadline - time.time() > checkpoint_before:
        return machine
    return replace(machine, deadline=None)


def _new_folder(step: str) -> Path:
    """Where a step runs: in the scratch of the settings, else in the folder of its job.

    The name holds the job's uuid: a job that is started again after a crash finds what it had done.
    """
    uuid = CURRENT_JOB.job.uuid if CURRENT_JOB.job is not None else "local"
    scratch = load_settings().vasp_run_directory
    return (scratch or Path.cwd()) / f"{step}-{uuid}"
