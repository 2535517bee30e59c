"""What lists show of a result, read from its summary: the whole result is twenty times as large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from surfalign.stores.documents import ResultState, SurfaceLevelsDocument
from surfalign.stores.query.language import Filter
from surfalign.stores.query.pages import Page, ResultList, place_of_page
from surfalign.stores.query.searches import summaries_of
from surfalign.stores.query.summaries import CHECK_COUNTS
from surfalign.stores.vocabulary import Origin

if TYPE_CHECKING:
    from surfalign.stores.database import Database


@dataclass(frozen=True)
class SurfaceRow:
    """One result in a list; the fields are those of the result, levels in eV and its surface energy in J/m^2.

    Attributes
    ----------
    checks, checks_passed
        How many checks there are, and how many of them passed.
    technique
        How registered levels were found; None for computed ones.
    failure
        Class of the error and step of a result without numbers; None for others.
    """

    identifier: str
    formula: str
    state: ResultState
    functional: str
    quality: str
    relaxed: bool
    miller_index: Sequence[int] | None = None
    origin: Origin = Origin.COMPUTED
    surface_name: str = ""
    space_group_symbol: str = ""
    ionization_potential: float | None = None
    electron_affinity: float | None = None
    band_gap: float | None = None
    surface_energy: float | None = None
    convergence_error: float | None = None
    failed_checks: list[str] = field(default_factory=list)
    checks: int = 0
    checks_passed: int = 0
    technique: str | None = None
    failure: str | None = None


#: Fields that stand in a summary as they stand in a row.
_SAME = tuple(one.name for one in fields(SurfaceRow))[:-4]


def rows(
    database: Database,
    found: ResultList,
    *,
    limit: int = 100,
    cursor: str | None = None,
    within: Filter | None = None,
) -> Page[SurfaceRow]:
    """Return a page of a list for the eye; parameters and errors as for :func:`.pages.page`."""
    identifiers, following = place_of_page(found, limit, cursor)
    return Page(rows_of(database, identifiers, within=within), following)


def rows_of(
    database: Database, identifiers: Sequence[str], *, within: Filter | None = None
) -> list[SurfaceRow]:
    """Return the rows of some results in their order, without those that may not be seen."""
    found = {one["identifier"]: one for one in summaries_of(database, identifiers, within=within)}
    return [_row(found[identifier]) for identifier in identifiers if identifier in found]


def row_of(document: SurfaceLevelsDocument) -> SurfaceRow:
    """Return the row of a whole result."""
    error, registration = document.error, document.registration
    return SurfaceRow(
        **{name: getattr(document, name) for name in _SAME},
        checks=len(document.checks),
        checks_passed=sum(check.passed for check in document.checks),
        technique=None if registration is None else registration.technique,
        failure=None if error is None else f"{error.error} in {error.step}",
    )


def _row(summary: dict[str, Any]) -> SurfaceRow:
    same = {name: summary[name] for name in _SAME if summary.get(name) is not None}
    same |= {"state": ResultState(same["state"]), "origin": Origin(same.get("origin", "computed"))}
    counts, error = summary[CHECK_COUNTS], summary.get("error")
    return SurfaceRow(
        **same,
        checks=counts["all"],
        checks_passed=counts["passed"],
        technique=(summary.get("registration") or {}).get("technique"),
        failure=None if error is None else f"{error['error']} in {error['step']}",
    )
