"""What the launchers of both workflow managers do alike: look at jobs, hold, release and restart them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, ClassVar, Self

from surfalign.launchers.cluster.job_table import JobTable
from surfalign.launchers.cluster.launcher import JobRecord, JobState
from surfalign.launchers.cluster.profiles import Profile
from surfalign.launchers.database.server import address_in_use
from surfalign.stores.connection.errors import errors_named


class ManagedLauncher(ABC):
    """A launcher whose workflow manager keeps one document a job in the results database.

    Looking at jobs takes that collection alone. The manager itself is loaded and connected when something
    is changed.

    Parameters
    ----------
    profile
        Where jobs run.
    """

    #: Collection of the jobs.
    collection_name: ClassVar[str]
    #: Fields of a job: what the manager knows it by, its uuid, its kind of step.
    key_field: ClassVar[str]
    uuid_field: ClassVar[str]
    step_field: ClassVar[str]
    #: The projection that leaves inputs and outputs out.
    projection: ClassVar[Mapping[str, int]]
    #: What the manager's words for states mean.
    states: ClassVar[Mapping[str, JobState]]

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        address = address_in_use(profile.settings())
        self.uri, self.database_name = address.uri, address.name
        self.address = address.shown
        self.table = JobTable(
            self.uri,
            self.database_name,
            self.collection_name,
            step=self.step_field,
            states=self.states,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._close_manager()
        self.table.close()

    def counts(self) -> dict[str, dict[JobState, int]]:
        """Count the jobs by step and state."""
        with errors_named(self.address):
            return self.table.counts()

    def jobs(
        self,
        uuids: Collection[str] | None = None,
        states: Collection[JobState] | None = None,
    ) -> Iterator[JobRecord]:
        """Yield jobs without their inputs."""
        with errors_named(self.address):
            for document in self.table.jobs.find(self._query(uuids, states), dict(self.projection)):
                yield self._record(document)

    def rerun(self, uuids: Collection[str]) -> int:
        """Make failed and cancelled jobs ready again."""
        return self._each(uuids, (JobState.FAILED, JobState.CANCELLED), self._restart)

    def pause(self, uuids: Collection[str] | None = None) -> int:
        """Hold jobs that have not started; without ``uuids`` no worker hands over any."""
        if uuids is None:
            return self._hold_all(True)
        return self._each(uuids, (JobState.WAITING, JobState.READY), self._hold)

    def resume(self, uuids: Collection[str] | None = None) -> int:
        """Release held jobs."""
        if uuids is None:
            return self._hold_all(False)
        return self._each(uuids, (JobState.PAUSED,), self._release)

    @property
    def paused(self) -> bool:
        """Whether the whole campaign is held."""
        return self.table.paused

    def _hold_all(self, value: bool) -> int:
        with errors_named(self.address):
            return self.table.pause(value)

    def _each(
        self,
        uuids: Collection[str] | None,
        states: Collection[JobState],
        act: Callable[[Any], object],
    ) -> int:
        """Act on the jobs of some states by their keys; return how many there were."""
        with errors_named(self.address):
            found = self.table.jobs.find(self._query(uuids, states), {self.key_field: 1})
            # All are found before any is changed: a cursor must not run over what moves.
            documents = list(found)
            for document in documents:
                act(document[self.key_field])
        return len(documents)

    def _query(
        self, uuids: Collection[str] | None, states: Collection[JobState] | None
    ) -> dict[str, Any]:
        query: dict[str, Any] = {}
        if uuids is not None:
            query[self.uuid_field] = {"$in": list(uuids)}
        if states is not None:
            query["state"] = {"$in": self.table.names(states)}
        return query

    # --- what each manager does in its own way -----------------------------------------------

    @abstractmethod
    def _close_manager(self) -> None:
        """Close the manager's connection, where it was opened."""

    @abstractmethod
    def _record(self, document: dict[str, Any]) -> JobRecord:
        """Return the record of a document."""

    @abstractmethod
    def _restart(self, key: Any) -> None:
        """Make a failed or cancelled job ready again."""

    @abstractmethod
    def _hold(self, key: Any) -> None:
        """Hold a job that has not started."""

    @abstractmethod
    def _release(self, key: Any) -> None:
        """Release a held job."""
