"""The calculations of a step: written, run under custodian, retried, continued.

A step is a folder with one sub-folder for each calculation. A calculation that has ended is never run
again, one that was cut off goes on from its last geometry and wave functions: so a job that is started
again in the same folder, by whomever, completes it.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from atomate2.vasp.run import run_vasp
from custodian.custodian import CustodianError
from custodian.vasp.interpreter import VaspModder

from surfalign.errors import (
    EngineError,
    EngineKilledError,
    InsufficientMemoryError,
    MissingDependencyError,
)
from surfalign.files import write_whole
from surfalign.settings import Settings
from surfalign.stores.documents import Correction
from surfalign.workflows.engines.vasp.cost import parallel_tags
from surfalign.workflows.engines.vasp.inputs.kpoints import number_of_points
from surfalign.workflows.engines.vasp.inputs.sets import VaspSet, write_inputs
from surfalign.workflows.engines.vasp.running import corrections
from surfalign.workflows.engines.vasp.running.failures import ended, failure, require_files
from surfalign.workflows.engines.vasp.running.handlers import Task, handlers_for, validators_for
from surfalign.workflows.engines.vasp.running.machine import (
    Machine,
    gpus_used,
    vasp_commands,
)
from surfalign.workflows.engines.vasp.running.recoveries import FROZEN
from surfalign.workflows.engines.vasp.running.run_state import (
    CHECKPOINT_FILE,
    continuation_actions,
)

FINISHED_FILE = "finished.json"
#: Corrections within one run of custodian.
MOST_CORRECTIONS = 8

#: What is tried, once each, when custodian has given up on a calculation.
RETRIES: dict[Task, tuple[dict[str, Any], ...]] = {
    "relaxation": ({"ALGO": "All", "ISYM": 0},),
    "slab_relaxation": ({"ALGO": "All", "IBRION": 1, "POTIM": 0.2},),
    "static": ({"ALGO": "All", "ISYM": 0},),
    "listed": ({"ALGO": "All"},),
    "slab_static": ({"ALGO": "All"},),
    "hybrid": ({"ALGO": "Damped", "TIME": 0.4},),
    "dfpt": ({"LPEAD": True, "ISYM": 0},),
    "one_shot": (),  # the step makes its wave functions anew instead
}

_ANEW = "computed anew"

T = TypeVar("T")


@dataclass(frozen=True)
class PlannedCalculation:
    """One run of VASP in a step.

    Parameters
    ----------
    name
        Name of its folder.
    inputs
        Its input set.
    task
        Kind of calculation.
    files
        Files of earlier calculations that it starts from: name here to path.
    leaves
        Files that later calculations, or the reader, need of it.
    """

    name: str
    inputs: VaspSet
    task: Task
    files: Mapping[str, Path] = field(default_factory=dict)
    leaves: tuple[str, ...] = ()


class Runner(Protocol):
    """What a step needs: run a calculation, and look at one that has run."""

    def run(self, calculation: PlannedCalculation) -> Path:
        """Run a calculation; return its folder."""
        ...

    def look(self, reader: Callable[[], T], placeholder: T) -> T:
        """Return what ``reader`` finds; ``placeholder`` where nothing has run."""
        ...

    def again(self, name: str, reason: str) -> None:
        """Put aside a calculation that must be run anew."""
        ...

    def once(self, name: str, finder: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        """Return what ``finder`` found for this step; ``None`` where nothing runs."""
        ...


class CheckpointReached(Exception):  # noqa: N818 (a signal, no error)
    """The wall time is nearly used up; what was done is kept in ``root``."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.root = root


@dataclass
class StepRunner:
    """Runs the calculations of one step in a folder.

    Parameters
    ----------
    root
        Folder of the step.
    settings
        Settings of the machine.
    machine
        Its processors and deadline.
    """

    root: Path
    settings: Settings
    machine: Machine
    folders: dict[str, Path] = field(default_factory=dict)
    _started: bool = field(default=False, init=False)

    def run(self, calculation: PlannedCalculation) -> Path:
        """Run a calculation, unless it has ended before; return its folder.

        Raises
        ------
        CheckpointReached
            When it was stopped for the wall time.
        ConvergenceError, InsufficientMemoryError, EngineKilledError, EngineError
            When it failed, and what is tried then failed too.
        """
        folder = self.folders[calculation.name] = self.root / calculation.name
        changes: dict[str, Any] = {}
        while not (folder / FINISHED_FILE).is_file():
            self._require_time()
            self._prepare(calculation, folder, changes)
            try:
                self._run_custodian(calculation, folder)
                require_files(folder, calculation.name, calculation.leaves)
            except InsufficientMemoryError:
                raise
            except EngineError as error:
                following = self._next_changes(calculation, error)
                if following is None:
                    raise
                changes = following
                self._put_aside(calculation.name, error.found, changes)
                continue
            (folder / FINISHED_FILE).write_text(json.dumps({"changes": changes}) + "\n")
        return folder

    def look(self, reader: Callable[[], T], placeholder: T) -> T:
        """Return what ``reader`` finds in calculations that have run."""
        return reader()

    def again(self, name: str, reason: str) -> None:
        """Put aside a calculation that ended but cannot be used."""
        if (self.root / name).is_dir():
            self._put_aside(name, reason, {}, "unused")

    def once(self, name: str, finder: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        """Return what ``finder`` found, now or in an earlier part of this step."""
        file = self.root / f"{name}.json"
        if not file.is_file():
            write_whole(file, json.dumps(finder()) + "\n")
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    @property
    def corrections(self) -> list[Correction]:
        """What error recovery has changed in this step so far."""
        return corrections.load(self.root)

    def _require_time(self) -> None:
        """Leave what would not end in time to the next job, if this one has done anything."""
        deadline = self.machine.deadline
        left = float("inf") if deadline is None else deadline - time.time()
        if self._started and left < self.settings.vasp_checkpoint_before:
            raise CheckpointReached(self.root)
        self._started = True

    def _next_changes(
        self, calculation: PlannedCalculation, error: EngineError
    ) -> dict[str, Any] | None:
        """What to try when custodian has given up: the same again, then other settings, then nothing.

        A run that ended without a known fault (a lost node, a full disk) is only run again; one that
        hung again and again has used up enough of the machine.
        """
        if FROZEN in error.found:
            return None
        tried = [
            correction.actions
            for correction in self.corrections
            if correction.stage == calculation.name and correction.handler == "retry"
        ]
        if isinstance(error, EngineKilledError) and [_ANEW] not in tried:
            return {}
        number = sum(actions != [_ANEW] for actions in tried)
        changes = RETRIES[calculation.task]
        return changes[number] if number < len(changes) else None

    def _prepare(
        self, calculation: PlannedCalculation, folder: Path, changes: dict[str, Any]
    ) -> None:
        """Write the inputs, or make what was cut off ready to go on."""
        if folder.is_dir():
            self._continue(calculation, folder)
            return
        draft = folder.with_name(f".{folder.name}")
        shutil.rmtree(draft, ignore_errors=True)
        inputs = replace(
            calculation.inputs,
            user_incar_settings=calculation.inputs.user_incar_settings | changes,
            parallel=self._parallel(calculation),
        )
        write_inputs(inputs, draft, potcar_spec=self.settings.vasp_potcar_spec)
        for name, source in calculation.files.items():
            shutil.copy2(source, draft / name)  # no link: VASP writes into its WAVECAR
        draft.rename(folder)  # a folder under its name is complete

    def _continue(self, calculation: PlannedCalculation, folder: Path) -> None:
        asked = (folder / CHECKPOINT_FILE).exists()
        for name in (CHECKPOINT_FILE, "STOPCAR"):
            (folder / name).unlink(missing_ok=True)
        actions = continuation_actions(folder)
        VaspModder(directory=str(folder)).apply_actions(actions)
        corrections.record(
            self.root,
            [
                Correction(
                    stage=calculation.name,
                    handler="continuation",
                    errors=["wall time nearly used up" if asked else "cut off"],
                    actions=[line for action in actions for line in corrections.describe(action)],
                )
            ],
        )

    def _parallel(self, calculation: PlannedCalculation) -> dict[str, int]:
        inputs, machine = calculation.inputs, self.machine
        points = number_of_points(inputs.kpoint_list, inputs.cell)
        return parallel_tags(
            points,
            machine.cores,
            gpus=gpus_used(self.settings, machine, spinors="LSORBIT" in inputs.tags),
            response=calculation.task == "dfpt",
            node_cores=machine.node_cores,
        )

    def _run_custodian(self, calculation: PlannedCalculation, folder: Path) -> None:
        settings = self.settings
        standard, gamma = vasp_commands(
            settings, self.machine, spinors="LSORBIT" in calculation.inputs.tags
        )
        poll = settings.vasp_polling_time
        try:
            run_vasp(
                vasp_cmd=standard,
                vasp_gamma_cmd=gamma,
                max_errors=MOST_CORRECTIONS,
                handlers=handlers_for(
                    calculation.task,
                    deadline=self.machine.deadline,
                    frozen_after=settings.vasp_frozen_after,
                    checkpoint_before=settings.vasp_checkpoint_before,
                ),
                validators=validators_for(calculation.task),
                custodian_kwargs={
                    "directory": str(folder),
                    "skip_over_errors": True,  # a handler that trips is no reason to lose the run
                    "polling_time_step": poll,
                    "monitor_freq": max(1, round(settings.vasp_monitor_time / poll)),
                },
            )
        except FileNotFoundError as error:
            raise MissingDependencyError(
                f"the command of VASP cannot be run: {error}",
                "an executable that ATOMATE2_VASP_CMD names",
                "name it there or in ~/.atomate2.yaml",
            ) from error
        except CustodianError as error:
            raise failure(error, folder, calculation.name) from error
        finally:
            corrections.record(self.root, corrections.corrections_of(folder, calculation.name))
        if (folder / CHECKPOINT_FILE).exists() and not ended(calculation.task, folder):
            raise CheckpointReached(self.root)
        (folder / CHECKPOINT_FILE).unlink(missing_ok=True)

    def _put_aside(
        self, name: str, reason: str, changes: dict[str, Any], label: str = "failed"
    ) -> None:
        number = len(list(self.root.glob(f"{name}.{label}*"))) + 1
        (self.root / name).rename(self.root / f"{name}.{label}{number}")
        actions = [f"INCAR: {tag} = {value}" for tag, value in changes.items()]
        corrections.record(
            self.root,
            [
                Correction(
                    stage=name,
                    handler="retry",
                    errors=[reason],
                    actions=actions or [_ANEW],
                )
            ],
        )
