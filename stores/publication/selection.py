"""Which results may be published: those that everybody may see today, under one licence."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from surfalign.errors import PublicationError
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.query import results
from surfalign.stores.sharing.record import Sharing, Visibility
from surfalign.stores.sharing.visibility import ANYONE, MADE_OF_OTHERS, may_see, visible_to

if TYPE_CHECKING:
    from surfalign.stores.database import Database

#: Identifiers that a refusal names of each reason.
NAMED = 5


@dataclass(frozen=True)
class Selection:
    """Results that may be published.

    Attributes
    ----------
    number
        How many.
    licence
        SPDX identifier, the same for all.
    citations, dois
        What is to be cited, most frequent first.
    left_out
        Reasons, with the number of results that were not taken for them.
    """

    number: int
    licence: str
    citations: tuple[str, ...]
    dois: tuple[str, ...]
    left_out: dict[str, int]


def select(
    database: Database, query: str, now: datetime, *, only_public: bool = False
) -> Selection:
    """Look at what a query matches.

    Parameters
    ----------
    database
        Where the results are.
    query
        Text of the query language; an empty one matches all.
    now
        The time, with its zone: an embargo that is over is none.
    only_public
        Whether results that not everybody may see are left out; otherwise they are an error.

    Raises
    ------
    PublicationError
        When nothing may be published, when something may not, or when licences are missing or differ.
    QuerySyntaxError
        When the query cannot be understood.
    """
    hidden: defaultdict[str, list[str]] = defaultdict(list)
    licences: defaultdict[str, list[str]] = defaultdict(list)
    citations: Counter[str] = Counter()
    dois: Counter[str] = Counter()
    for record in results.find_fields(database, query, ("identifier", "sharing")):
        said = record.get("sharing")
        sharing = Sharing.model_validate(said) if said else None
        if sharing is None or not may_see(sharing, ANYONE, now):
            hidden[_reason(sharing)].append(record["identifier"])
            continue
        licences[sharing.licence].append(record["identifier"])
        citations.update([sharing.citation] if sharing.citation else [])
        dois.update([sharing.doi] if sharing.doi else [])
    if hidden and not only_public:
        _refuse_hidden(hidden)
    number = sum(map(len, licences.values()))
    if not number:
        raise PublicationError(
            f"no result is public among those that {query!r} matches"
            if hidden
            else f"{query!r} matches no result",
            "at least one result that everybody may see",
            "say which: surfalign share 'QUERY' --visibility public --licence CC-BY-4.0",
        )
    _refuse_licences(licences)
    return Selection(
        number,
        next(iter(licences)),
        tuple(text for text, _ in citations.most_common()),
        tuple(text for text, _ in dois.most_common()),
        {reason: len(names) for reason, names in hidden.items()},
    )


def documents(database: Database, query: str, now: datetime) -> Iterator[SurfaceLevelsDocument]:
    """Yield what may be published, whole, without what names people and machines.

    Owner, group and the folders of raw files are left out.
    """
    for document in results.find(
        database, query, sort="identifier", full=True, within=visible_to(ANYONE, now)
    ):
        yield without_names(document)


def without_names(document: SurfaceLevelsDocument) -> SurfaceLevelsDocument:
    """Return a result without owner, group, folders of raw files, and what is made of results that may be hidden."""
    changes: dict[str, Any] = {"archives": {}, **dict.fromkeys(MADE_OF_OTHERS)}
    if document.sharing is not None:
        changes["sharing"] = document.sharing.model_copy(update={"owner": "", "group": ""})
    return document.model_copy(update=changes)


def _reason(sharing: Sharing | None) -> str:
    if sharing is None or sharing.visibility is Visibility.PRIVATE:
        return "private"
    if sharing.visibility is Visibility.GROUP:
        return "for a group alone"
    return "under embargo"


def _refuse_hidden(hidden: dict[str, list[str]]) -> None:
    parts = [
        f"{len(names)} {reason} ({', '.join(names[:NAMED])}{', ...' if len(names) > NAMED else ''})"
        for reason, names in sorted(hidden.items())
    ]
    raise PublicationError(
        f"not everybody may see all of these results: {'; '.join(parts)}",
        "results that are public today",
        "leave them out with --only-public, or share them: surfalign share 'QUERY' --visibility public",
    )


def _refuse_licences(licences: dict[str, list[str]]) -> None:
    """Refuse results without a licence, or with several.

    Raises
    ------
    PublicationError
        In both cases.
    """
    if without := licences.get(""):
        raise PublicationError(
            f"{len(without)} results have no licence ({', '.join(without[:NAMED])})",
            "one licence, by which others may use them",
            "surfalign share 'QUERY' --licence CC-BY-4.0",
        )
    if len(licences) > 1:
        counts = ", ".join(f"{len(names)} of {licence}" for licence, names in licences.items())
        raise PublicationError(
            f"the results have several licences: {counts}",
            "one licence for a data set",
            f"one data set for each, e.g. --where 'sharing.licence = \"{next(iter(licences))}\"'",
        )
