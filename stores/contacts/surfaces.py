"""The sides of junctions: stored or predicted surfaces, with the distributions of their levels."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surfalign.errors import (
    ConfigurationError,
    DocumentNotFoundError,
    MissingFileError,
    PhysicsInputError,
)
from surfalign.physics.levels.distribution import LevelDistribution
from surfalign.stores.database import Database
from surfalign.stores.documents import ResultState, SurfaceLevelsDocument
from surfalign.stores.method_names import of_one_table
from surfalign.stores.query import results
from surfalign.stores.query.language import Filter
from surfalign.stores.screening.candidates import (
    Candidate,
    Candidates,
    from_results,
    stored_candidates,
)
from surfalign.stores.screening.level_errors import interval_distribution
from surfalign.stores.screening.report import counted_reasons

_LEVELS = ("ionization_potential", "electron_affinity")
#: Of the errors of a predicted IP and EA, which `learn predict` does not write: as measured on the JARVIS slabs
#: (docs/explanation/screening.md).
PREDICTED_CORRELATION = 0.84


@dataclass(frozen=True)
class ContactSurfaces:
    """Surfaces with the distributions of their levels, in one order.

    A predicted surface has the model in its method and its own name as identifier.
    """

    surfaces: tuple[Candidate, ...]
    levels: LevelDistribution

    def __len__(self) -> int:
        return len(self.surfaces)

    @property
    def methods(self) -> list[str]:
        """Methods whose levels do not compare, each once."""
        return sorted(set(of_one_table(surface.method for surface in self.surfaces).values()))

    @property
    def distinct(self) -> int:
        """How many surfaces there are, where several results of one count once."""
        return len(set(map(_surface, self.surfaces)))

    def joined(self, other: ContactSurfaces) -> ContactSurfaces:
        """Return these surfaces, then those of another list that are not among them."""
        known = {surface.identifier for surface in self.surfaces}
        rows = [row for row, s in enumerate(other.surfaces) if s.identifier not in known]
        added = other.take(rows)
        return ContactSurfaces(self.surfaces + added.surfaces, _normal((self.levels, added.levels)))

    def take(self, rows: Sequence[int]) -> ContactSurfaces:
        """Return some surfaces."""
        chosen = np.array(rows, dtype=int)
        return ContactSurfaces(
            tuple(self.surfaces[row] for row in chosen), self.levels.take(chosen)
        )

    def same_crystal(self, other: ContactSurfaces) -> NDArray[np.bool_]:
        """Return which pairs are two faces of one crystal by one method, shape (n, m)."""
        return _equal(map(_crystal, self.surfaces), map(_crystal, other.surfaces))

    def same_surface(self, other: ContactSurfaces) -> NDArray[np.bool_]:
        """Return which pairs are results of one surface, by whatever method, shape (n, m)."""
        return _equal(map(_surface, self.surfaces), map(_surface, other.surfaces))

    def named(self, identifiers: Sequence[str]) -> ContactSurfaces:
        """Return the surfaces of some identifiers, in their order."""
        rows = {surface.identifier: row for row, surface in enumerate(self.surfaces)}
        return self.take([rows[identifier] for identifier in identifiers])


def sides_of(candidates: Candidates) -> ContactSurfaces:
    """Return the surfaces that may be used; what is not normal counts by its covariance."""
    return ContactSurfaces(candidates.surfaces, _normal(candidates.distributions))


def stored_surfaces(
    database: Database,
    query: str,
    predictions: ContactSurfaces | None = None,
    *,
    flagged: bool = False,
    within: Filter | None = None,
) -> ContactSurfaces:
    """Return the stored surfaces that a query matches, and predicted ones.

    Parameters
    ----------
    database, query, flagged, within
        As for :func:`~surfalign.stores.screening.candidates.stored_candidates`.
    predictions
        Are added.

    Raises
    ------
    DocumentNotFoundError
        When there is none.
    """
    found = stored_candidates(database, query, flagged=flagged, within=within)
    if not found.surfaces and not predictions:
        reasons = counted_reasons(found.left_out)
        raise DocumentNotFoundError(
            f"no surface with levels matches {query!r}"
            + "".join(f"; {number} {reason}" for reason, number in reasons.items()),
            "results that passed all checks",
            "widen the query (surfalign query shows what matches), or add --flagged",
        )
    return sides_of(found).joined(predictions or no_surfaces())


def no_surfaces() -> ContactSurfaces:
    """Return an empty list."""
    return sides_of(Candidates())


def _crystal(surface: Candidate) -> tuple[str, ...]:
    """Return what two faces of one crystal by one method share; the surface itself where that is not known."""
    if not surface.crystal:
        return (surface.identifier,)
    return surface.formula, surface.crystal, surface.method


def _surface(surface: Candidate) -> tuple[str, ...]:
    """Return what all results of one surface share; the result itself where its crystal is not known."""
    if not surface.crystal:
        return (surface.surface_identifier or surface.identifier,)
    return surface.formula, surface.crystal, surface.name


def _equal(
    rows: Iterable[tuple[str, ...]], columns: Iterable[tuple[str, ...]]
) -> NDArray[np.bool_]:
    numbers: dict[tuple[str, ...], int] = {}
    one, other = (
        np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=int)
        for keys in (rows, columns)
    )
    return np.asarray(one[:, None] == other[None, :])


def _normal(parts: Sequence[LevelDistribution]) -> LevelDistribution:
    means = [np.empty((0, 2)), *(part.means for part in parts)]
    covariances = [np.empty((0, 2, 2)), *(part.covariances for part in parts)]
    return LevelDistribution.normal(np.concatenate(means), np.concatenate(covariances))


def find_surface(
    database: Database | None,
    text: str,
    predictions: ContactSurfaces,
    *,
    flagged: bool,
    within: Filter | None = None,
) -> ContactSurfaces:
    """Return one side of a junction, by its name among predictions, or from the store.

    Parameters
    ----------
    database
        Where to look.
    text
        Identifier of a result or its beginning, or the name of a surface, e.g. ``MgO(100)-A``.
    predictions
        Predicted surfaces; one of this very name comes before stored ones.
    flagged
        Whether a result with a failed check may be taken.
    within
        MongoDB's filter of the results that may be seen; to others it answers as if they were not there.

    Raises
    ------
    DocumentNotFoundError
        When no surface, or several, can be meant.
    PhysicsInputError
        When the result failed, or is flagged and that is not allowed.
    """
    for row, surface in enumerate(predictions.surfaces):
        if surface.name == text:
            return predictions.take([row])
    if database is None:
        raise DocumentNotFoundError(f"no surface {text!r}", "a name among the predictions", "")
    document = _stored(database, text, within)
    if document.state is ResultState.FAILED:
        error = document.error
        raise PhysicsInputError(
            f"{document.identifier} failed"
            + (f" ({error.error} in {error.step})" if error else "")
            + " and has no levels",
            "a result with levels",
            f"surfalign show {document.identifier}",
        )
    if document.state is ResultState.REGISTERED:
        raise PhysicsInputError(
            f"{document.identifier} was registered ({document.origin}), so the error of its levels is not known",
            "a computed result",
            f"surfalign query 'formula = {document.formula} and origin = computed'",
        )
    if document.state is ResultState.FLAGGED and not flagged:
        raise PhysicsInputError(
            f"{document.identifier} failed the checks {', '.join(document.failed_checks)}",
            "a result that passed all checks",
            "take it all the same with --flagged; the junction is marked then",
        )
    side = from_results([document], flagged=True)
    if not side.surfaces:
        raise PhysicsInputError(
            f"{document.identifier} cannot be used: {side.left_out[0][1]}",
            "a result with IP and EA by a method whose error is known",
            f"surfalign show {document.identifier}",
        )
    return sides_of(side)


def _stored(database: Database, text: str, within: Filter | None) -> SurfaceLevelsDocument:
    """Return the result that a text means: an identifier, its beginning, or the name of a surface."""
    query = f"surface_name = {json.dumps(text, ensure_ascii=False)}"
    found = results.find_fields(database, query, ("identifier", "state"), within=within)
    named = sorted(found, key=itemgetter("identifier"))
    without = (ResultState.FAILED, ResultState.REGISTERED)
    usable = [one["identifier"] for one in named if one["state"] not in without]
    if len(usable) > 1:
        raise DocumentNotFoundError(
            f"several results are of {text}: {', '.join(usable[:5])}",
            "one result",
            "name it by its identifier",
        )
    meant = usable or [one["identifier"] for one in named] or [text]
    return results.get(database, meant[0], within=within)


def read_predictions(file: Path) -> ContactSurfaces:
    """Read what ``surfalign learn predict --json FILE`` wrote.

    Raises
    ------
    MissingFileError
        When there is no such file.
    ConfigurationError
        When it is not such a file, or holds no prediction with both levels.
    """
    if not file.expanduser().is_file():
        raise MissingFileError(
            f"no file {file}", "a file of predictions", "write one: surfalign learn predict --json"
        )
    try:
        rows = [_levels_of(record) for record in json.loads(file.expanduser().read_text())]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{file} does not hold predictions ({type(error).__name__}: {error})",
            "a list as 'surfalign learn predict --json FILE' writes it",
            "write it again",
        ) from error
    rows = [row for row in rows if row is not None]
    if not rows:
        raise ConfigurationError(
            f"{file} holds no prediction of both levels with their intervals",
            "IP and EA with bounds",
            "predict with a model that was trained on both and has enough data for intervals",
        )
    surfaces, values, intervals = zip(*rows, strict=True)
    return ContactSurfaces(
        tuple(surfaces), interval_distribution(values, intervals, PREDICTED_CORRELATION)
    )


def _levels_of(record: dict[str, Any]) -> tuple[Candidate, list[float], Any] | None:
    """Return one prediction with both levels; None where one or its interval is missing."""
    values = [record[level] for level in _LEVELS if record.get(level) is not None]
    intervals = [record["interval_90"].get(level) or [None] for level in _LEVELS]
    if len(values) < len(_LEVELS) or any(None in bounds for bounds in intervals):
        return None
    name = str(record["name"])
    surface = Candidate(
        name=name,
        formula=name.partition("(")[0],
        source="predicted",
        identifier=name,
        method=f"predicted by {record['model']}",
        remarks=() if record["in_domain"] else ("outside domain",),
    )
    return surface, [float(value) for value in values], intervals


def names_of(surfaces: Sequence[Candidate]) -> list[str]:
    """Return a name for each surface that no other one has: with its identifier where two share one."""
    plain = [surface.name for surface in surfaces]
    return [
        surface.identifier if plain.count(surface.name) > 1 else surface.name
        for surface in surfaces
    ]
