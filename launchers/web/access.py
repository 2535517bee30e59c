"""The store as requests see it: which results are visible, how long a question may take, and recovery."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import pymongo
from starlette.requests import Request

from surfalign.errors import DatabaseUnreachableError, QuerySyntaxError, RoleError
from surfalign.launchers.web.audit import Served
from surfalign.stores.query import results
from surfalign.stores.query.language import Filter, to_filter
from surfalign.stores.query.matching import fields_of
from surfalign.stores.query.pages import Order, Page, ResultList, listed, page
from surfalign.stores.query.searches import find_summaries
from surfalign.stores.sharing.register import SharingRegister
from surfalign.stores.sharing.visibility import (
    ANYONE,
    MADE_OF_OTHERS,
    Role,
    Viewer,
    visible_to,
)

if TYPE_CHECKING:
    from surfalign.stores.database import Database
    from surfalign.stores.documents import SurfaceLevelsDocument

#: Longest wait for all answers of the database to one request (s).
TIME_LIMIT = 60.0
#: Longest wait for a sign of life (s): who asks is told soon that the database is away.
SIGN_OF_LIFE = 5.0
#: The same for an export of all results (s).
EXPORT_TIME_LIMIT = 300.0
#: An answer holds this many times as long as it took, where it took longer than SHORT (s).
HOLDS, SHORT = 20.0, 0.25
#: Answers that are remembered.
MOST_ANSWERS = 32

Result = TypeVar("Result")


def viewer_of(request: Request) -> Viewer:
    """Return who asks; anyone, where nobody has looked."""
    viewer: Viewer = getattr(request.state, "viewer", ANYONE)
    return viewer


def visible(request: Request, now: datetime | None = None) -> Filter:
    """Return MongoDB's filter of the results that a request may see.

    The one place that decides it, for pages, the REST interface and exports alike.

    Parameters
    ----------
    request
        Was identified.
    now
        The time, with its zone; None for that of the clock.
    """
    return visible_to(viewer_of(request), now or datetime.now(UTC))


def require(request: Request, role: Role) -> None:
    """Refuse who may not do something.

    Parameters
    ----------
    request
        Was identified.
    role
        The least that is asked for.

    Raises
    ------
    RoleError
        When who asks has a lesser role.
    """
    roles = list(Role)
    viewer = viewer_of(request)
    if roles.index(viewer.role) < roles.index(role) or viewer == ANYONE:
        raise RoleError(
            "this is not for everybody", f"a token with the role {role}", "ask who runs this server"
        )


class Memory:
    """Remembers answers that took long for a while: the longer they took, the longer they hold.

    A store of hundreds of results is looked through in no time and always shown as it is. One of many thousands
    is looked through once a minute or two, however many people turn its pages.
    """

    def __init__(self) -> None:
        self._answers: OrderedDict[Hashable, _Answer] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, question: Hashable, answer: Callable[[], Result]) -> Result:
        """Return an answer that still holds, or ask for it; who asks the same meanwhile waits for it."""
        with self._lock:
            known = self._answers.setdefault(question, _Answer())
            self._answers.move_to_end(question)
            if len(self._answers) > MOST_ANSWERS:
                self._answers.popitem(last=False)
        with known.lock:
            start = time.monotonic()
            if start >= known.holds_until:
                known.value = answer()
                took = time.monotonic() - start
                known.holds_until = time.monotonic() + HOLDS * took if took > SHORT else 0.0
            value: Result = known.value
        return value

    def forget(self) -> None:
        """Forget all answers."""
        with self._lock:
            self._answers.clear()


class _Answer:
    """An answer, until when it holds, and the lock of who asks for it."""

    def __init__(self) -> None:
        self.value: Any = None
        self.holds_until = 0.0
        self.lock = threading.Lock()


class Reader:
    """Questions to the store on behalf of one request: nothing that it may not see is ever found.

    Parameters
    ----------
    database
        Connected.
    within
        MongoDB's filter of what may be seen.
    memory
        Of answers that took long.
    generation
        Of the sharing records: what was remembered under another one is old.
    served
        Is told which results were read, for the log.
    """

    def __init__(
        self,
        database: Database,
        within: Filter,
        memory: Memory,
        generation: int = 0,
        served: Served | None = None,
    ) -> None:
        self._database = database
        self._within = within
        self._memory = memory
        self._seen = (repr(within), generation)
        self._served = served or Served()

    def listed(self, query: str, order: Order) -> ResultList:
        """Return which results a query matches; see :func:`surfalign.stores.query.pages.listed`."""
        self._refuse_made_of_others(query, order.field)
        return self._memory.recall(
            ("list", query, order, self._seen),
            lambda: listed(self._database, query, order=order, within=self._within),
        )

    def page(self, found: ResultList, limit: int, cursor: str | None) -> Page:
        """Return a page of a list; see :func:`surfalign.stores.query.pages.page`."""
        shown = page(self._database, found, limit=limit, cursor=cursor, within=self._within)
        return replace(shown, results=[self._noted(document) for document in shown.results])

    def find(
        self, query: str, order: Order | None = None, limit: int | None = None
    ) -> Iterator[SurfaceLevelsDocument]:
        """Yield the results that a query matches, without structures and curves."""
        order = order or Order()
        self._refuse_made_of_others(query, order.field)
        found = results.find(
            self._database, query, sort=order.field, descending=order.descending, limit=limit,
            within=self._within,
        )  # fmt: skip
        return map(self._noted, found)

    def get(self, identifier: str) -> SurfaceLevelsDocument:
        """Return one result with everything that is stored."""
        return self._noted(results.get(self._database, identifier, within=self._within))

    def derived(self, name: str, derive: Callable[[Iterable[dict[str, Any]]], Result]) -> Result:
        """Return what is made of the summaries of all results; remembered under a name."""
        return self._memory.recall(
            ("derived", name, self._seen),
            lambda: derive(map(self._told, find_summaries(self._database, within=self._within))),
        )

    def made(
        self,
        make: Callable[..., Result],
        *asked: Any,
        queries: Sequence[str] = (),
        remembered: bool = True,
        **chosen: Any,
    ) -> Result:
        """Return what a function makes of the results that may be seen.

        Parameters
        ----------
        make
            Takes the database, ``asked``, ``chosen``, and the filter of what may be seen as ``within``.
        asked, chosen
            The question; hashable where the answer is remembered.
        queries
            Texts of the query language in it.
        remembered
            Whether an answer that took long is remembered.
        """
        for query in queries:
            self._refuse_made_of_others(query)

        def answer() -> Result:
            return make(self._database, *asked, **chosen, within=self._within)

        if not remembered:
            return answer()
        question = (make.__name__, *asked, *sorted(chosen.items()), self._seen)
        return self._memory.recall(question, answer)

    def note(self, identifiers: Iterable[str]) -> None:
        """Note that results are served which were made into something else."""
        for identifier in identifiers:
            self._served.note(identifier)

    def fields_of(
        self, identifiers: Sequence[str], fields: Sequence[str]
    ) -> dict[str, dict[str, Any]]:
        """Return some fields of some results as they are stored, by identifier."""
        found = results.find_records(
            self._database, {"identifier": {"$in": list(identifiers)}}, ["identifier", *fields],
            within=self._within,
        )  # fmt: skip
        records = {record["identifier"]: self._told(record) for record in found}
        for identifier in records:
            self._served.note(identifier)
        return records

    def formulas(self, query: str = "") -> dict[str, int]:
        """Return the formulas of the results that a query matches, with their numbers."""
        self._refuse_made_of_others(query)
        return self._memory.recall(
            ("formulas", query, self._seen),
            lambda: results.formulas(self._database, query, within=self._within),
        )

    def _told(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return what is stored of a result without what is made of results that may be hidden."""
        if not self._within:
            return record
        return {name: value for name, value in record.items() if name not in MADE_OF_OTHERS}

    def _noted(self, document: SurfaceLevelsDocument) -> SurfaceLevelsDocument:
        """Note that a result is served; return it without what is made of results that may be hidden."""
        self._served.note(document.identifier)
        if not self._within:
            return document
        return document.model_copy(update=dict.fromkeys(MADE_OF_OTHERS))

    def _refuse_made_of_others(self, query: str, *fields: str) -> None:
        asked = (
            {*fields, *fields_of(to_filter(query))} & set(MADE_OF_OTHERS) if self._within else ()
        )
        for field in asked:
            raise QuerySyntaxError(
                f"{field} is made of all results, and some may be hidden from you",
                "another field",
                "ask who runs this server",
            )


class Store:
    """Opens the database when it is first needed, and anew after it was away.

    Parameters
    ----------
    open_store
        Connects to the database.
    """

    def __init__(self, open_store: Callable[[], Database]) -> None:
        self._open = open_store
        self._database: Database | None = None
        self._failure: tuple[float, DatabaseUnreachableError | None] = (0.0, None)
        self._memory = Memory()
        self._lock = threading.Lock()

    @contextmanager
    def reading(self, request: Request, time_limit: float = TIME_LIMIT) -> Iterator[Reader]:
        """Answer the questions of one request.

        Parameters
        ----------
        request
            Tells what may be seen.
        time_limit
            Longest wait for all answers together (s).

        Raises
        ------
        DatabaseUnreachableError
            When the database is away; the next request tries again.
        """
        with self.opened(time_limit) as database:
            with pymongo.timeout(SIGN_OF_LIFE):
                state = SharingRegister(database).state()
            # What is visible changes when an embargo ends, so the same filter holds until the next one does.
            within = visible(request, state.last_end(datetime.now(UTC)))
            request.state.served = served = Served()
            yield Reader(database, within, self._memory, state.number, served)

    @contextmanager
    def opened(self, time_limit: float = TIME_LIMIT) -> Iterator[Database]:
        """Return the database to who decides itself what may be seen; parameters and errors as for reading."""
        database: Database | None = None
        try:
            # With limits of its own: starting the local server may take longer.
            database = self._opened()
            with pymongo.timeout(time_limit), database.errors_named():
                yield database
        except DatabaseUnreachableError:
            # Not closed: to other requests, which go on with it, it may answer yet.
            with self._lock:
                if self._database is database:
                    self._database = None
            self._memory.forget()
            raise

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        with self._lock:
            database, self._database = self._database, None
        self._memory.forget()
        if database is not None:
            with suppress(DatabaseUnreachableError):
                database.close()

    def _opened(self) -> Database:
        asked = time.monotonic()
        with self._lock:
            if self._database is None:
                failed_at, error = self._failure
                if failed_at > asked and error is not None:
                    # Who waited for an attempt shares its end.
                    raise type(error)(error.found, error.expected, error.remedy)
                try:
                    self._database = self._open()
                except DatabaseUnreachableError as failure:
                    self._failure = time.monotonic(), failure
                    raise
            return self._database
