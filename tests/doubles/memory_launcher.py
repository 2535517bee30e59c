"""A launcher that only remembers: jobs go where a test puts them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any, Self

from jobflow import Flow

from surfalign.launchers.cluster.launcher import JobRecord, JobState
from surfalign.launchers.cluster.profiles import Profile
from surfalign.workflows.routing import jobs_of

#: What still can be held or ended.
_OPEN = (JobState.WAITING, JobState.READY, JobState.QUEUED, JobState.RUNNING)


class MemoryLauncher:
    """Fulfils the protocol of :class:`surfalign.launchers.cluster.launcher.Launcher`."""

    def __init__(self) -> None:
        self.records: list[JobRecord] = []
        self.flows: list[Flow] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def submit(self, flows: Iterable[Flow]) -> int:
        flows = list(flows)
        with self._lock:
            self.flows += flows
            self.records += [
                JobRecord(
                    uuid=job.uuid,
                    name=job.name,
                    step=job.metadata["step"],
                    state=JobState.WAITING if number else JobState.READY,
                    metadata=dict(job.metadata),
                )
                for flow in flows
                for number, job in enumerate(jobs_of(flow))
            ]
        return len(flows)

    def counts(self) -> dict[str, dict[JobState, int]]:
        counted = Counter((record.step, record.state) for record in self.records)
        table: dict[str, dict[JobState, int]] = {}
        for (step, state), number in counted.items():
            table.setdefault(step, {})[state] = number
        return table

    def jobs(
        self,
        uuids: Collection[str] | None = None,
        states: Collection[JobState] | None = None,
    ) -> Iterator[JobRecord]:
        with self._lock:
            records = list(self.records)
        for record in records:
            if uuids is not None and record.uuid not in set(uuids):
                continue
            if states is None or record.state in set(states):
                yield record

    def put(self, state: JobState, uuids: Collection[str] | None = None, **fields: Any) -> int:
        """Bring jobs, all by default, into a state."""
        changed = 0
        with self._lock:
            for number, record in enumerate(self.records):
                if uuids is None or record.uuid in uuids:
                    self.records[number] = replace(record, state=state, **fields)
                    changed += 1
        return changed

    def _move(
        self, uuids: Collection[str] | None, state: JobState, sources: Iterable[JobState]
    ) -> int:
        return self.put(
            state, {record.uuid for record in self.jobs(uuids, list(sources))}, cause=""
        )

    def rerun(self, uuids: Collection[str]) -> int:
        return self._move(uuids, JobState.READY, (JobState.FAILED, JobState.CANCELLED))

    def cancel(self, uuids: Collection[str] | None = None) -> int:
        return self._move(uuids, JobState.CANCELLED, (*_OPEN, JobState.PAUSED))

    def pause(self, uuids: Collection[str] | None = None) -> int:
        return self._move(uuids, JobState.PAUSED, (JobState.WAITING, JobState.READY))

    def resume(self, uuids: Collection[str] | None = None) -> int:
        return self._move(uuids, JobState.READY, (JobState.PAUSED,))


def open_launcher(profile: Profile, cluster: str | None = None) -> MemoryLauncher:
    """Return a new one; a test may put its own in this place."""
    return MemoryLauncher()
