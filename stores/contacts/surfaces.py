"""The surfaces of junctions: found in the store or among predictions, with the distributions of their levels."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from surfalign.errors import (
    ConfigurationError,
    DocumentNotFoundError,
    MissingFileError,
    MixedMethodsError,
    PhysicsInputError,
)
from surfalign.physics.levels.distribution import LevelDistribution
from surfalign.stores.database import Database
from surfalign.stores.documents import ResultState, SurfaceLevelsDocument
from surfalign.stores.method_names import of_one_table
from surfalign.stores.query import results
from surfalign.stores.screening.level_errors import interval_distribution, result_distribution

_LEVELS = ("ionization_potential", "electron_affinity")
#: Of the errors of a predicted IP and EA, which `learn predict` does not write: as measured on the JARVIS slabs
#: (docs/explanation/screening.md).
PREDICTED_CORRELATION = 0.7


@dataclass(frozen=True)
class ContactSurface:
    """One side of a junction.

    Attributes
    ----------
    name
        E.g. ``MgO(100)-A``.
    identifier
        Of the stored result; the name for a prediction.
    method
        Method of the band edges, or ``predicted by`` a model.
    flagged
        Whether a check failed, or the learner does not know such surfaces.
    """

    name: str
    identifier: str
    method: str
    flagged: bool = False


@dataclass(frozen=True)
class ContactSurfaces:
    """Surfaces with the distributions of their levels, in one order."""

    surfaces: tuple[ContactSurface, ...]
    levels: LevelDistribution

    def __len__(self) -> int:
        return len(self.surfaces)

    @property
    def methods(self) -> list[str]:
        """Methods whose levels do not compare, each once."""
        return sorted(set(of_one_table(surface.method for surface in self.surfaces).values()))

    def joined(self, other: ContactSurfaces) -> ContactSurfaces:
        """Return these surfaces, then those of another list that are not among them."""
        known = {surface.identifier for surface in self.surfaces}
        rows = np.array([s.identifier not in known for s in other.surfaces], dtype=bool)
        added = other.levels.take(np.flatnonzero(rows))
        return ContactSurfaces(
            (*self.surfaces, *(s for s in other.surfaces if s.identifier not in known)),
            LevelDistribution(
                np.concatenate([self.levels.means, added.means]),
                np.concatenate([self.levels.factors, added.factors]),
            ),
        )


def of_results(documents: Iterable[SurfaceLevelsDocument], *, flagged: bool) -> ContactSurfaces:
    """Return stored results as sides of junctions; failed ones, and flagged ones unless allowed, are left out.

    Parameters
    ----------
    documents
        Stored results.
    flagged
        Whether those with a failed check are taken.
    """
    chosen = [
        document
        for document in documents
        if document.state is ResultState.PASSED
        or (flagged and document.state is ResultState.FLAGGED)
    ]
    chosen = [d for d in chosen if None not in (d.ionization_potential, d.electron_affinity)]
    surfaces = tuple(
        ContactSurface(
            document.surface_name or document.formula,
            document.identifier,
            document.functional,
            document.state is ResultState.FLAGGED,
        )
        for document in chosen
    )
    return ContactSurfaces(surfaces, result_distribution(chosen))


def find_surface(
    database: Database | None, text: str, predictions: ContactSurfaces, *, flagged: bool
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

    Raises
    ------
    DocumentNotFoundError
        When no surface, or several, can be meant.
    PhysicsInputError
        When the result failed, or is flagged and that is not allowed.
    """
    for row, surface in enumerate(predictions.surfaces):
        if surface.name == text:
            return ContactSurfaces((surface,), predictions.levels.take(np.array([row])))
    if database is None:
        raise DocumentNotFoundError(f"no surface {text!r}", "a name among the predictions", "")
    document = _stored(database, text)
    if document.state is ResultState.FAILED:
        error = document.error
        raise PhysicsInputError(
            f"{document.identifier} failed"
            + (f" ({error.error} in {error.step})" if error else "")
            + " and has no levels",
            "a result with levels",
            f"surfalign show {document.identifier}",
        )
    if document.state is ResultState.FLAGGED and not flagged:
        raise PhysicsInputError(
            f"{document.identifier} failed the checks {', '.join(document.failed_checks)}",
            "a result that passed all checks",
            "take it all the same with --flagged; the junction is marked then",
        )
    return of_results([document], flagged=True)


def _stored(database: Database, text: str) -> SurfaceLevelsDocument:
    """Return the result that a text means: an identifier, its beginning, or the name of a surface."""
    named = list(results.find(database, f"surface_name = {json.dumps(text)}", limit=50))
    if not named:
        return results.get(database, text)
    named = [d for d in named if d.state is not ResultState.FAILED] or named[:1]
    if len(named) > 1:
        raise DocumentNotFoundError(
            f"several results are of {text}: {', '.join(d.identifier for d in named[:5])}",
            "one result",
            "name it by its identifier",
        )
    return named[0]


def check_methods(surfaces: ContactSurfaces, *, mixed: bool) -> None:
    """Refuse levels of several methods, unless they were asked for.

    Raises
    ------
    MixedMethodsError
        When there are several.
    """
    methods = surfaces.methods
    if len(methods) > 1 and not mixed:
        raise MixedMethodsError(
            f"surfaces of {len(methods)} methods: {', '.join(methods)}",
            "levels of one method, for others do not compare",
            "select one with a query, e.g. 'functional = ddh', or allow it with --mixed",
        )


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


def no_surfaces() -> ContactSurfaces:
    """Return an empty list."""
    return ContactSurfaces((), LevelDistribution(np.empty((0, 2)), np.empty((0, 2, 2))))


def _levels_of(record: dict[str, Any]) -> tuple[ContactSurface, list[float], Any] | None:
    """Return one prediction with both levels; None where one or its interval is missing."""
    values = [record[level] for level in _LEVELS if record.get(level) is not None]
    intervals = [record["interval_90"].get(level) or [None] for level in _LEVELS]
    if len(values) < len(_LEVELS) or any(None in bounds for bounds in intervals):
        return None
    name = str(record["name"])
    surface = ContactSurface(
        name, name, f"predicted by {record['model']}", flagged=not record["in_domain"]
    )
    return surface, [float(value) for value in values], intervals


def selected(surfaces: ContactSurfaces, identifiers: Sequence[str]) -> ContactSurfaces:
    """Return some surfaces of a list, in the order of their identifiers."""
    rows = {surface.identifier: row for row, surface in enumerate(surfaces.surfaces)}
    taken = [rows[identifier] for identifier in identifiers]
    return ContactSurfaces(
        tuple(surfaces.surfaces[row] for row in taken), surfaces.levels.take(np.array(taken))
    )


def names_of(surfaces: Sequence[ContactSurface]) -> list[str]:
    """Return a name for each surface that no other one has: with its identifier where two share one."""
    plain = [surface.name for surface in surfaces]
    return [
        surface.identifier if plain.count(surface.name) > 1 else surface.name
        for surface in surfaces
    ]
