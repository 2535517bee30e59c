"""The states of loops in the database: one document a loop, written whole, by one process at a time.

The database, not a file beside the configuration: jobs, results and register are there, so that a copy
or a restored backup of it holds a state that fits them; whichever machine runs the loop finds it; and a
write under a lock is one atomic operation, which it is not on the shared disks of clusters.

Rounds that are done are documents of their own, so that the state stays small.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from pymongo.errors import PyMongoError

from surfalign.errors import LoopLockedError
from surfalign.launchers.explore.loop_state import LoopState, Round, Step
from surfalign.processes import is_same_process, owner
from surfalign.stores.database import Database

LOOPS = "explore_loops"
ROUNDS = "explore_rounds"
#: A lock that nobody renewed for this long belongs to a dead process of another machine.
LEASE = timedelta(minutes=15)
#: Seconds between two renewals.
RENEWAL = 60.0


class LoopRecords:
    """What is stored of one loop, for those who only look.

    Parameters
    ----------
    database
        Connected.
    name
        Of the loop.
    """

    def __init__(self, database: Database, name: str) -> None:
        self.name = name
        self._loops = database.collection(LOOPS)
        self._rounds = database.collection(ROUNDS)

    def state(self) -> LoopState | None:
        """Return the state; None where the loop never ran."""
        document = self._loops.find_one({"_id": self.name}, {"state": 1})
        found = document and document.get("state")
        return LoopState.model_validate(found) if found else None

    def rounds(self) -> list[Round]:
        """Return the rounds that are done, and the one under way, in their order."""
        found = self._rounds.find({"loop": self.name}, sort={"number": 1})
        rounds = {d["number"]: Round.model_validate(d["round"]) for d in found}
        state = self.state()
        if state is not None and state.current is not None:
            rounds[state.current.number] = state.current
        return [rounds[number] for number in sorted(rounds)]

    def is_running(self) -> bool:
        """Whether a process holds the loop now."""
        lock = self._lock()
        return bool(lock) and not _is_left(lock)

    def _lock(self) -> dict[str, Any]:
        """Return who holds the loop; empty where nobody does."""
        document = self._loops.find_one({"_id": self.name}, {"lock": 1}) or {}
        return dict(document.get("lock") or {})

    def ask_to_stop(self) -> None:
        """Ask the process that runs the loop to end it."""
        self._loops.update_one({"_id": self.name}, {"$set": {"stop": True}})


class LoopStore(LoopRecords):
    """The state of a loop that this process runs: a context manager that holds its lock.

    Parameters
    ----------
    database, name
        As for :class:`LoopRecords`.
    token
        Of this run of the loop, which may connect several times.

    Raises
    ------
    LoopLockedError
        On entry, when another process runs the loop; at a write, when one took it over.
    """

    def __init__(self, database: Database, name: str, token: str) -> None:
        super().__init__(database, name)
        self._token = token
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        self._loops.update_one({"_id": self.name}, {"$setOnInsert": {"stop": False}}, upsert=True)
        lock = self._lock()
        if lock and lock["token"] != self._token and not _is_left(lock):
            raise self._locked(lock)
        # Somebody may have been quicker: the lock must still be as we saw it.
        mine = {"token": self._token, "at": datetime.now(UTC), **owner()}
        again = lock.get("token") == self._token
        change = {"lock": mine} | ({} if again else {"stop": False})
        seen = {"_id": self.name, "lock.token": lock.get("token")}
        if not self._loops.update_one(seen, {"$set": change}).matched_count:
            raise self._locked(self._lock())
        threading.Thread(target=self._renew, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        try:
            self._loops.update_one(self._mine, {"$unset": {"lock": ""}})
        except PyMongoError:
            return  # whoever comes next sees that this process has ended

    @property
    def _mine(self) -> dict[str, Any]:
        return {"_id": self.name, "lock.token": self._token}

    def write(self, state: LoopState) -> None:
        """Write the state in one operation; a round that is done is kept first."""
        done = state.current
        if done is not None and done.step is Step.DONE:
            self._rounds.replace_one(
                {"_id": f"{self.name}/{done.number:05d}"},
                {"loop": self.name, "number": done.number, "round": done.model_dump()},
                upsert=True,
            )
            state.current = None
        if not self._loops.update_one(
            self._mine, {"$set": {"state": state.model_dump()}}
        ).matched_count:
            raise self._locked(self._lock())

    def is_to_stop(self) -> bool:
        """Whether somebody asked for the end."""
        document = self._loops.find_one({"_id": self.name}, {"stop": 1})
        return bool(document and document.get("stop"))

    def _renew(self) -> None:
        while not self._ended.wait(RENEWAL):
            try:
                self._loops.update_one(self._mine, {"$set": {"lock.at": datetime.now(UTC)}})
            except PyMongoError:
                continue  # the loop itself finds out what ails the database

    def _locked(self, lock: dict[str, Any]) -> LoopLockedError:
        who = f"process {lock['pid']} of {lock['hostname']}" if lock else "another process"
        return LoopLockedError(
            f"{who} runs the loop '{self.name}'",
            "one process a loop",
            "look: surfalign explore status CONFIG; end it: surfalign explore stop CONFIG",
        )


def _is_left(lock: dict[str, Any]) -> bool:
    """Ask whether the holder of a lock is dead."""
    if lock["hostname"] == owner()["hostname"]:
        return not is_same_process(lock["pid"], lock["created"])
    at = lock["at"] if lock["at"].tzinfo else lock["at"].replace(tzinfo=UTC)
    return bool(datetime.now(UTC) - at > LEASE)
