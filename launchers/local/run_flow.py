"""Run flows on this machine: steps side by side where there are cores, with progress and resume.

Where there is one core, jobs run in this process, one after the other; else each runs in a process of
its own (:mod:`.job_worker`) with its share of the machine (:mod:`.shares`). Jobs that add others need
the store and are quick: they run here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from bson.errors import BSONError
from jobflow import CURRENT_JOB, Flow, JobStore
from pymongo.errors import PyMongoError

from surfalign.errors import InsufficientMemoryError
from surfalign.launchers.local.flow_graph import FlowGraph, Node, State
from surfalign.launchers.local.job_processes import Outcome, Workers
from surfalign.launchers.local.progress_reports import engine_reports
from surfalign.launchers.local.shares import Need, Share, divide, more_memory, need_of
from surfalign.stores.connection.errors import named
from surfalign.workflows.identity import without_finished

Report = Callable[[str], None]


@dataclass(frozen=True)
class StepFailure:
    """A job that raised, and why."""

    uuid: str
    name: str
    metadata: dict[str, Any]
    error: BaseException


def run_flow(
    flow: Flow,
    store: JobStore,
    directory: Path,
    *,
    reuse: bool = True,
    machine: Share | None = None,
    on_event: Report = lambda line: None,
) -> list[StepFailure]:
    """Run one flow to its end; as :func:`run_flows`.

    Returns
    -------
    list of StepFailure
        One entry for each job that raised; jobs that depend on it did not run.
    """
    failures: list[StepFailure] = []
    run_flows(
        [flow],
        store,
        directory,
        reuse=[reuse],
        machine=machine,
        on_event=on_event,
        on_end=lambda _, found: failures.extend(found),
    )
    return failures


def run_flows(
    flows: Sequence[Flow],
    store: JobStore,
    directory: Path,
    *,
    reuse: Sequence[bool],
    machine: Share | None = None,
    on_event: Report = lambda line: None,
    on_end: Callable[[int, list[StepFailure]], None] = lambda flow, failures: None,
) -> None:
    """Run flows to their end; steps that finished in an earlier run are not run again.

    Parameters
    ----------
    flows
        With content-derived uuids (:mod:`surfalign.workflows.identity`).
    store
        Where outputs are kept.
    directory
        Where a folder for this run is made; it is removed if the jobs leave nothing there.
    reuse
        For each flow, whether outputs in the store are taken over.
    machine
        Cores and memory to divide among jobs; None, or one core, runs them in turn in this process.
    on_event
        Called with a line at every event.
    on_end
        Called with the number of a flow and its failures when it has come to its end.

    Raises
    ------
    DatabaseUnreachableError
        When the store is lost on the way.
    """
    graph = FlowGraph()
    for number, flow in enumerate(flows):
        remaining = without_finished(flow, store) if reuse[number] else flow
        if remaining is not None:
            graph.add(remaining, {number})
    directory.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(prefix="run-", dir=directory))
    run = _Run(graph, store, folder, on_event, on_end, set(range(len(flows))))
    try:
        with engine_reports(on_event):
            if machine is None or machine.cores == 1:
                run.in_turn()
            else:
                run.side_by_side(machine)
    finally:
        _remove_empty(folder)


@dataclass
class _Run:
    """One call of :func:`run_flows`; the parameters are its own."""

    graph: FlowGraph
    store: JobStore
    folder: Path
    on_event: Report
    on_end: Callable[[int, list[StepFailure]], None]
    open_flows: set[int]
    failures: list[tuple[Node, StepFailure]] = field(default_factory=list)

    def in_turn(self) -> None:
        """Run the jobs in this process, one flow after the other."""
        while ready := self._next():
            self._run_here(min(ready, key=lambda node: min(node.flows)))

    def side_by_side(self, machine: Share) -> None:
        """Run the jobs in processes of their own, as many as there is room for."""
        needs: dict[int, Need] = {}
        with Workers(self.on_event) as workers:
            while (ready := self._next()) or workers.running:
                for node in [node for node in ready if node.job.config.expose_store]:
                    self._run_here(node)
                    ready = self._next()
                for node in ready:
                    needs.setdefault(id(node), need_of(node.job.metadata.get("resources"), machine))
                shares = divide(machine, workers.shares, [needs[id(node)] for node in ready])
                for node, share in zip(ready, shares, strict=False):
                    self._start(node, share, workers)
                for node, outcome in workers.wait():
                    more = more_memory(needs[id(node)], machine)
                    if isinstance(outcome, InsufficientMemoryError) and more:
                        needs[id(node)] = more
                        node.state = State.WAITING
                    else:
                        self._take(node, outcome)

    def _next(self) -> list[Node]:
        """Return the jobs that may start; tell of the flows that have ended."""
        ready = self.graph.ready()
        for number in sorted(self.open_flows):
            if self.graph.over(number):
                self.open_flows.remove(number)
                self.on_end(number, [f for node, f in self.failures if number in node.flows])
        return ready

    def _run_here(self, node: Node) -> None:
        self.on_event(f"{node.job.name}: started")
        folder = self._folder()
        try:
            with contextlib.chdir(folder):
                response = node.job.run(store=self.store, job_dir=folder)
        except Exception as error:  # noqa: BLE001 - whatever a job raises is its failure
            self._fail(node, error)
        else:
            self.graph.finish(node, response)
        finally:
            CURRENT_JOB.reset()

    def _start(self, node: Node, share: Share, workers: Workers) -> None:
        """Hand a job and all that it takes to a process."""
        self.on_event(f"{node.job.name}: started")
        try:
            if node.job.config.resolve_references:
                wrap = node.job.config.resolve_references == "both"
                node.job.resolve_args(store=self.store, wrap_resolved=wrap)
        except Exception as error:  # noqa: BLE001 - whatever a job raises is its failure
            self._fail(node, error)
        else:
            node.state = State.RUNNING
            workers.start(node, share, self._folder())

    def _take(self, node: Node, outcome: Outcome) -> None:
        """Store what a job gave, or note that it failed."""
        if isinstance(outcome, Exception):
            self._fail(node, outcome)
            return
        try:
            for documents, key, save in outcome.updates:
                self.store.update(documents, key=key, save=save)
        except (PyMongoError, BSONError) as error:
            self._fail(node, error)
        else:
            self.graph.finish(node, outcome.response)

    def _fail(self, node: Node, error: Exception) -> None:
        job = node.job
        if isinstance(error, PyMongoError):
            # Whatever it is, the next step could not be stored either.
            found = named(error)
            raise type(found)(
                f"the database failed during '{job.name}': {found.found}",
                found.expected,
                f"{found.remedy}; then run the same command: finished steps are stored",
            ) from error
        if isinstance(error, BSONError):  # the document is at fault
            error = named(error)
        node.state = State.FAILED
        self.failures.append((node, StepFailure(job.uuid, job.name, dict(job.metadata), error)))
        self.on_event(f"{job.name}: failed: {type(error).__name__}: {error}")

    def _folder(self) -> Path:
        return Path(mkdtemp(prefix="job-", dir=self.folder))


def _remove_empty(folder: Path) -> None:
    """Remove the jobs' folders, unless something was left in them."""
    for path in [*folder.iterdir(), folder]:
        with suppress(OSError):
            path.rmdir()
