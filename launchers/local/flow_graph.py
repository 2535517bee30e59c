"""The graph of the jobs of some flows while they run: what may start, what became of the others."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, cast

from jobflow import Flow, Job, Response
from jobflow.core.reference import OnMissing


class State(Enum):
    """What became of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"  # or not run because a job that it needs failed


@dataclass
class Node:
    """A job in the graph.

    Parameters
    ----------
    job
        The job.
    parents
        Uuids of the jobs whose outputs it takes.
    flows
        Numbers of the flows it belongs to.
    height
        Jobs that follow each other from here to the end.
    """

    job: Job
    parents: list[str]
    flows: set[int] = field(default_factory=set)
    height: int = 1
    state: State = State.WAITING

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in (State.DONE, State.FAILED)


@dataclass
class FlowGraph:
    """Jobs of several flows; one that two flows share runs once.

    It does what jobflow's local manager does in turn: jobs that a job adds join the graph, those that
    replace it or are a detour hold back its children, and children of a failed job do not run.
    """

    _nodes: dict[str, dict[int, Node]] = field(default_factory=dict)
    _holds: dict[str, list[Node]] = field(default_factory=dict)
    _barren: set[str] = field(default_factory=set)

    def add(self, flow: Flow, flows: set[int]) -> list[Node]:
        """Put the jobs of a flow into the graph, if they are not there; return their nodes."""
        with warnings.catch_warnings():
            # Surfaces of one crystal do not depend on each other: nothing to warn of.
            warnings.filterwarnings("ignore", message="Some jobs are not connected")
            listed = list(flow.iterflow())
        heights: dict[str, int] = {}
        for job, parents in reversed(listed):
            for parent in parents:
                heights[parent] = max(heights.get(parent, 1), heights.get(job.uuid, 1) + 1)
        added = []
        for job, parents in listed:
            known = self._nodes.setdefault(job.uuid, {})
            node = known.setdefault(job.index, Node(job, parents, height=heights.get(job.uuid, 1)))
            node.flows |= flows
            added.append(node)
        return added

    def ready(self) -> list[Node]:
        """Return the jobs that may start, those first that most others wait for."""
        found = []
        for node in self._all():
            if node.state is State.WAITING and all(self._is_settled(p) for p in node.parents):
                if self._has_lost(node):
                    node.state = State.FAILED
                else:
                    found.append(node)
        return sorted(found, key=lambda node: -node.height)

    def finish(self, node: Node, response: Response[Any]) -> None:
        """Note that a job is done, with what it asks for."""
        node.state = State.DONE
        uuid = node.job.uuid
        # The job has made flows of whatever it returned.
        for diversion in (response.replace, response.detour):
            if diversion is not None:
                self._holds.setdefault(uuid, []).extend(self.add(cast(Flow, diversion), node.flows))
        if response.addition is not None:
            self.add(cast(Flow, response.addition), node.flows)
        if response.stop_children:
            self._barren.add(uuid)
        if response.stop_jobflow:
            for other in self._all():
                if other.state is State.WAITING and other.flows & node.flows:
                    other.state = State.FAILED

    def over(self, flow: int) -> bool:
        """Whether a flow has come to its end."""
        return all(node.is_over for node in self._all() if flow in node.flows)

    def _all(self) -> Iterator[Node]:
        for nodes in self._nodes.values():
            yield from nodes.values()

    def _is_settled(self, uuid: str) -> bool:
        nodes = [*self._nodes.get(uuid, {}).values(), *self._holds.get(uuid, ())]
        return all(node.is_over for node in nodes)

    def _has_lost(self, node: Node) -> bool:
        """Whether a job cannot run because of what became of its parents."""
        if self._barren.intersection(node.parents):
            self._barren.add(node.job.uuid)
            return True
        if node.job.config.on_missing_references != OnMissing.ERROR:
            return False
        parents = [p for uuid in node.parents for p in self._nodes.get(uuid, {}).values()]
        return any(parent.state is State.FAILED for parent in parents)
