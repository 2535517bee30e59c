"""The members of an ensemble: what each may see, and fitting them in processes of their own.

A network's members are fitted on one thread each. What a member needs and what it gives goes through
files, so that a run that was killed finds its finished members again, and the unfinished ones find their
checkpoints.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel

from surfalign.errors import LearnerError
from surfalign.ml.configuration import TrainingConfiguration
from surfalign.ml.data.datasets import FrozenDataset, read_dataset, write_dataset
from surfalign.ml.ensemble.splits import FOLDS, formula_fold, hold_out
from surfalign.ml.interface import FittedModel, TrainingData
from surfalign.ml.learners.kinds import configuration_of, fit_model, restore_model
from surfalign.ml.network.ranks import RANK, own_rank, rank_variables
from surfalign.ml.network.weights import read_parts, write_parts
from surfalign.version import __version__

if TYPE_CHECKING:
    from surfalign.ml.data.records import SetLabel, SurfaceRecord

#: Days after which what a training left for its resumption is removed.
KEPT_DAYS = 14.0
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Task:
    """One member to fit.

    Attributes
    ----------
    kind
        Kind of the model.
    configuration
        Its configuration, fidelity resolved.
    fold
        The fold that it must not see.
    seed
        Of everything random.
    """

    kind: str
    configuration: BaseModel
    fold: int
    seed: int


def fit_member(
    dataset: FrozenDataset, task: Task, directory: Path, on_progress: Progress
) -> FittedModel:
    """Fit one member in this process."""
    data = member_data(dataset, task)
    on_progress(f"member {task.fold + 1} of {FOLDS}: {len(data.everything)} surfaces")
    return fit_model(
        task.configuration,
        task.kind,
        data,
        directory=directory / f"member-{task.fold}",
        seed=task.seed,
        on_progress=lambda line: on_progress(f"member {task.fold + 1} of {FOLDS}: {line}"),
    )


def member_data(dataset: FrozenDataset, task: Task) -> TrainingData:
    """Return what a member may see: all but its fold, or everything where nothing else is there."""
    records = other_folds(dataset, task.fold) or list(dataset.records)
    return training_data(records, dataset.set_labels, task.configuration, task.seed)


def training_data(
    records: Sequence[SurfaceRecord],
    set_labels: Sequence[SetLabel],
    configuration: BaseModel,
    seed: int,
) -> TrainingData:
    """Return records, and the labels of sets within them, as one model is fitted to them.

    A share of the formulas is set apart for validation where the configuration's ``training`` wants it.
    """
    options = training_options(configuration)
    share = 0.0 if options is None else options.validation_share
    train, validation = list(records), []
    if share > 0:
        # One formula alone cannot be split, and is learned from.
        with suppress(LearnerError):
            split = hold_out(records, share, seed)
            validation = [records[i] for i in split.test]
            train = [records[i] for i in split.train]
    kept = {record.name for record in train}
    return TrainingData(train, validation, [s for s in set_labels if kept.issuperset(s.members)])


def training_options(configuration: BaseModel) -> TrainingConfiguration | None:
    """Return how the network of a model, or of a part of it, is trained; None where there is no network."""
    for holder in (configuration, getattr(configuration, "network", None)):
        options = getattr(holder, "training", None)
        if isinstance(options, TrainingConfiguration):
            return options
    return None


def other_folds(dataset: FrozenDataset, fold: int) -> list[SurfaceRecord]:
    """Return the records whose formulas are not in a fold."""
    return [record for record in dataset.records if formula_fold(record.formula) != fold]


def fit_in_processes(
    dataset: FrozenDataset, tasks: Sequence[Task], directory: Path, workers: int, say: Progress
) -> list[FittedModel]:
    """Fit the members that are not finished, some in each process, and read all of them.

    Raises
    ------
    LearnerError
        When a process ends without its members.
    """
    remove_old(directory)
    folder = directory / _fingerprint(dataset, tasks)
    folder.mkdir(parents=True, exist_ok=True)
    frozen = folder / "data.dataset.json.gz"
    write_dataset(dataset, frozen)
    missing = [task for task in tasks if not _target(folder, task).is_file()]
    shares = [missing[number::workers] for number in range(min(workers, len(missing)))]
    with ThreadPoolExecutor(max(len(shares), 1)) as pool:
        futures = [pool.submit(_run_worker, frozen, share, folder, say) for share in shares]
        for future in futures:
            future.result()
    models = []
    for task in tasks:
        parts, tensors = read_parts(_target(folder, task))
        models.append(restore_model(task.kind, parts["configuration"], parts["metadata"], tensors))
    return models


def remove_old(directory: Path) -> None:
    """Remove what trainings left that nobody has gone on with for long."""
    oldest = time.time() - KEPT_DAYS * 24 * 3600
    for folder in directory.iterdir() if directory.is_dir() else []:
        if folder.is_dir() and folder.stat().st_mtime < oldest:
            shutil.rmtree(folder, ignore_errors=True)


def _target(folder: Path, task: Task) -> Path:
    """Return the file of a finished member."""
    return folder / f"member-{task.fold}.safetensors"


def _run_worker(frozen: Path, tasks: Sequence[Task], folder: Path, say: Progress) -> None:
    """Fit some members one after the other, in a process on one thread or in several that share the steps."""
    request = {
        "dataset": str(frozen),
        "directory": str(folder),
        "kind": tasks[0].kind,
        "configuration": tasks[0].configuration.model_dump(mode="json"),
        "members": [{"fold": task.fold, "seed": task.seed} for task in tasks],
    }
    errors = folder / f"member-{tasks[0].fold}.log"
    options = training_options(tasks[0].configuration)
    ranks = rank_variables(1 if options is None else options.processes)
    with errors.open("w") as log, ExitStack() as stack:
        first, *_ = [stack.enter_context(_started(request, rank, log)) for rank in ranks]
        assert first.stdout is not None
        # The pipes stay open: when this process dies, the workers see their end.
        for line in first.stdout:
            say(line.rstrip())
        first.wait()
    if first.returncode != 0 or not all(_target(folder, task).is_file() for task in tasks):
        last = errors.read_text().strip().splitlines()
        raise LearnerError(
            f"a process that fitted members ended with code {first.returncode}: "
            f"{last[-1] if last else 'nothing said'}",
            "fitted members",
            f"read {errors}; the same command goes on from the last checkpoint",
        )


def _started(request: dict[str, Any], rank: dict[str, str], log: IO[str]) -> subprocess.Popen[str]:
    """Start a process that fits members; the first of those that share a training says how it goes."""
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "surfalign.ml.ensemble.members"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if rank.get(RANK, "0") == "0" else subprocess.DEVNULL,
        stderr=log,
        text=True,
        env=os.environ | threads | rank,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    return process


def _fingerprint(dataset: FrozenDataset, tasks: Sequence[Task]) -> str:
    """Return a name for this data set, configuration and seed."""
    content = [dataset.digest, __version__, tasks[0].kind, tasks[0].seed]
    text = json.dumps([*content, tasks[0].configuration.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _end_with_parent() -> None:
    """End this process when the other end of its standard input is gone."""
    sys.stdin.read()
    os._exit(1)


def _work() -> None:
    """Fit the members that standard input asks for."""
    request: dict[str, Any] = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    kind: str = request["kind"]
    configuration = configuration_of(kind, request["configuration"])
    dataset = read_dataset(Path(request["dataset"]))
    folder = Path(request["directory"])
    for member in request["members"]:
        task = Task(kind, configuration, member["fold"], member["seed"])
        model = fit_member(dataset, task, folder, lambda line: print(line, flush=True))
        if own_rank() > 0:
            continue
        parts = {
            "configuration": model.configuration.model_dump(mode="json"),
            "metadata": model.metadata,
        }
        tensors = {name: np.asarray(tensor) for name, tensor in model.tensors().items()}
        write_parts(_target(folder, task), parts, tensors)


if __name__ == "__main__":
    _work()
