"""The store as requests see it: which results are visible, how long a question may take, and recovery."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import pymongo
from starlette.requests import Request

from surfalign.errors import DatabaseUnreachableError, QuerySyntaxError, RoleError
from surfalign.launchers.web.audit import Served
from surfalign.launchers.web.memory import Memory
from surfalign.stores.query import results
from surfalign.stores.query.language import Filter, to_filter
from surfalign.stores.query.matching import fields_of
from surfalign.stores.query.pages import (
    Order,
    Page,
    ResultList,
    fields_of_list,
    list_of,
    listed,
    page,
)
from surfalign.stores.query.rows import SurfaceRow, rows
from surfalign.stores.query.searches import find_summaries
from surfalign.stores.query.summaries import version
from surfalign.stores.query.table import needed, table_of, visible_among
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
#: Size of a result in a list that is remembered (bytes).
_PLACE = 100

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


def page_asked(request: Request) -> Hashable:
    """Return what a page depends on, besides the results: its address, and who is greeted on it."""
    return request.url.path, request.url.query, viewer_of(request)


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


class Reader:
    """Questions to the store on behalf of one request: nothing that it may not see is ever found.

    Parameters
    ----------
    database
        Connected.
    within
        MongoDB's filter of what may be seen.
    memory
        Of earlier answers.
    sharing
        Number of changes of the sharing records: what was remembered under another one is old.
    served
        Is told which results were read, for the log.
    """

    def __init__(
        self,
        database: Database,
        within: Filter,
        memory: Memory,
        sharing: int = 0,
        served: Served | None = None,
    ) -> None:
        self._database = database
        self._within = within
        self._memory = memory
        self._sharing = sharing
        self._served = served or Served()

    @cached_property
    def _version(self) -> str | None:
        # Once for a request, before anything is read: what was remembered under another one is old.
        return version(self._database)

    def remembered(
        self,
        question: Hashable,
        answer: Callable[[], Result],
        size: Callable[[Result], int] = lambda _: 0,
    ) -> Result:
        """Return what was answered before, as long as nothing was stored and nobody sees more or less since.

        Parameters
        ----------
        question
            What is asked.
        answer, size
            As for :meth:`Memory.recall`; the answer is made of what this reader reads.
        """
        if self._version is None:
            return answer()
        seen = (repr(self._within), self._sharing, self._version)
        return self._memory.recall((question, seen), answer, size)

    def content(self, question: Hashable, make: Callable[[], bytes]) -> bytes:
        """Return the body of an answer, made of what this reader reads, as :meth:`remembered`.

        Parameters
        ----------
        question
            What is asked: all that the body depends on, besides the results that may be seen.
        make
            Writes it.
        """
        body, served = self.remembered(
            ("content", question), lambda: (make(), self._served), lambda made: len(made[0])
        )
        self._served.become(served)
        return body

    def listed(self, query: str, order: Order) -> ResultList:
        """Return which results a query matches; see :func:`surfalign.stores.query.pages.listed`."""
        self._refuse_made_of_others(query, order.field)
        return self.remembered(
            ("list", query, order),
            lambda: self._listed(query, order),
            lambda found: _PLACE * len(found.places),
        )

    def _listed(self, query: str, order: Order) -> ResultList:
        found = self._records(to_filter(query), fields_of_list(order))
        if found is None:
            return listed(self._database, query, order=order, within=self._within)
        return list_of(found, order)

    def _records(self, condition: Filter, fields: Sequence[str]) -> Iterator[dict[str, Any]] | None:
        """Return some fields of the results that match and may be seen, where a table in memory has them."""
        columns = needed(condition, fields)
        if columns is None or self._version is None:
            return None
        # The table is the same for all; which of it may be seen is not.
        table = self._memory.recall(
            ("table", columns, self._version),
            lambda: table_of(self._database, columns),
            lambda read: read.size,
        )
        visible = None
        if self._within:
            visible = self.remembered(
                "visible", lambda: visible_among(self._database, self._within), len
            )
        return table.records(condition, visible, fields)

    def page(
        self, found: ResultList, limit: int, cursor: str | None
    ) -> Page[SurfaceLevelsDocument]:
        """Return a page of a list; see :func:`surfalign.stores.query.pages.page`."""
        shown = page(self._database, found, limit=limit, cursor=cursor, within=self._within)
        return replace(shown, results=[self._noted(document) for document in shown.results])

    def rows(self, found: ResultList, limit: int, cursor: str | None = None) -> Page[SurfaceRow]:
        """Return a page of a list for the eye; see :func:`surfalign.stores.query.rows.rows`."""
        shown = rows(self._database, found, limit=limit, cursor=cursor, within=self._within)
        for row in shown.results:
            self._served.note(row.identifier)
        return shown

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
        return self.remembered(
            ("derived", name),
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
            Whether the answer is, as :meth:`remembered` does it.
        """
        for query in queries:
            self._refuse_made_of_others(query)

        def answer() -> Result:
            return make(self._database, *asked, **chosen, within=self._within)

        if not remembered:
            return answer()
        return self.remembered((make.__name__, *asked, *sorted(chosen.items())), answer)

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
        return self.remembered(
            ("formulas", query),
            lambda: self._formulas(query),
        )

    def _formulas(self, query: str) -> dict[str, int]:
        found = self._records(to_filter(query), ["formula"])
        if found is None:
            return results.formulas(self._database, query, within=self._within)
        return dict(sorted(Counter(str(record["formula"]) for record in found).items()))

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
