"""The surfaces that are screened, with the distributions of their levels; and those left out, with the reason."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pymatgen.core import Composition, Element

from surfalign.errors import ConfigurationError, PhysicsInputError, QuestionError
from surfalign.physics.levels.distribution import LevelDistribution
from surfalign.stores.documents import ResultState, SurfaceLevelsDocument
from surfalign.stores.query.language import Filter, to_filter
from surfalign.stores.query.matching import matches
from surfalign.stores.query.results import find_fields
from surfalign.stores.screening.level_errors import StoredLevels, method_error, result_distribution
from surfalign.stores.sharing.visibility import MADE_OF_OTHERS

if TYPE_CHECKING:
    from surfalign.stores.database import Database

#: What a screening reads of a result.
FIELDS = tuple(field.name for field in fields(StoredLevels))

_NUMBERS = (
    "ionization_potential", "electron_affinity", "dielectric_constant", "convergence_error",
    "area_fraction",
)  # fmt: skip
#: No level or constant is larger.
_LARGEST = 1e6


@dataclass(frozen=True)
class Candidate:
    """One surface.

    Attributes
    ----------
    name, formula
        Which surface.
    source
        ``computed`` or ``predicted``.
    crystal
        Where the crystal came from, e.g. ``library:TiO2-rutile``.
    identifier
        Of the stored result, or of the model that predicted.
    surface_identifier
        Of crystal, surface and thickness; empty for predictions.
    method
        Functional of the levels.
    remarks
        What speaks against it: failed checks, or outside of the model's domain.
    dielectric_constant
        Electronic; None where it is not known.
    """

    name: str
    formula: str
    source: str
    crystal: str = ""
    identifier: str = ""
    surface_identifier: str = ""
    method: str = ""
    remarks: tuple[str, ...] = ()
    dielectric_constant: float | None = None


@dataclass(frozen=True)
class Candidates:
    """Surfaces with their distributions.

    Attributes
    ----------
    surfaces
        Those that are screened.
    distributions
        Of their IP and EA, in parts that follow each other: computed and predicted ones differ in shape.
    left_out
        Surface and reason.
    area_fractions
        Surface identifier to its share of the crystal's equilibrium shape, where known.
    """

    surfaces: tuple[Candidate, ...] = ()
    distributions: tuple[LevelDistribution, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    area_fractions: dict[str, float] = field(default_factory=dict)

    def __add__(self, other: Candidates) -> Candidates:
        return Candidates(
            self.surfaces + other.surfaces,
            self.distributions + other.distributions,
            self.left_out + other.left_out,
            self.area_fractions | other.area_fractions,
        )


def stored_candidates(
    database: Database,
    query: str | None = None,
    *,
    flagged: bool = False,
    within: Filter | None = None,
) -> Candidates:
    """Return the stored results that a query matches; ``flagged`` as for :func:`from_results`.

    Parameters
    ----------
    database
        Where to look.
    query
        Text of the query language; None matches all.
    flagged
        Whether flagged results are used, and marked.
    within
        MongoDB's filter of the results that may be seen; None lets all be seen. What is made of other results
        is not read then.

    Raises
    ------
    QuerySyntaxError
        When the query cannot be understood.
    """
    read = [name for name in FIELDS if not (within and name in MADE_OF_OTHERS)]
    found = (
        StoredLevels(**{name: record[name] for name in read if name in record})
        for record in find_fields(database, query, read, within=within)
    )
    return from_results(sorted(found, key=lambda result: result.identifier), flagged=flagged)


def file_candidates(path: Path, query: str | None = None, *, flagged: bool = False) -> Candidates:
    """Return the results of a file that a query matches; parameters as for :func:`from_results`.

    Parameters
    ----------
    path
        What ``surfalign export FILE.json`` or ``surfalign run --json`` writes, or one JSON document a line
        (``.jsonl``); ``.gz`` is understood.
    query
        Text of the query language; None matches all.

    Raises
    ------
    ConfigurationError
        When the file is missing or holds no results.
    QuerySyntaxError
        When the query cannot be understood.
    """
    text = query or ""
    to_filter(text)
    try:
        content = path.expanduser().read_bytes()
        plain = gzip.decompress(content) if path.suffix == ".gz" else content
        lines = plain.splitlines() if ".jsonl" in path.suffixes else []
        records = [json.loads(line) for line in lines] if lines else json.loads(plain)
        results = [
            StoredLevels(**{name: record[name] for name in FIELDS if name in record})
            for record in records
            if matches(text, record)
        ]
        for result in results:
            _require_plain(result)
    except (OSError, EOFError, UnicodeDecodeError, TypeError, ValueError, zlib.error) as error:
        raise ConfigurationError(
            f"{path} holds no results: {error}",
            "what `surfalign export FILE.json` writes, or one result a line (.jsonl); also .gz",
            "check the path, and that the file is whole",
        ) from error
    return from_results(sorted(results, key=lambda result: result.identifier), flagged=flagged)


def from_results(
    results: Iterable[SurfaceLevelsDocument | StoredLevels], *, flagged: bool = False
) -> Candidates:
    """Return results as candidates.

    Parameters
    ----------
    results
        Failed ones are left out.
    flagged
        Whether flagged ones are used, and marked.
    """
    kept, left_out = [], []
    for result in results:
        reason = _reason_against(result, flagged)
        if reason:
            left_out.append((result.surface_name or result.formula, reason))
        else:
            kept.append(result)
    fractions = {
        r.surface_identifier: float(share)
        for r in kept
        if (share := getattr(r, "area_fraction", None)) is not None
    }
    surfaces = tuple(
        Candidate(
            name=r.surface_name or r.formula,
            formula=r.formula,
            source="computed",
            crystal=r.source,
            identifier=r.identifier,
            surface_identifier=r.surface_identifier,
            method=r.functional,
            remarks=tuple(r.failed_checks),
            dielectric_constant=r.dielectric_constant,
        )
        for r in kept
    )
    parts = (result_distribution(kept),) if kept else ()
    return Candidates(surfaces, parts, tuple(left_out), fractions)


def without_elements(candidates: Candidates, elements: frozenset[str]) -> Candidates:
    """Leave out the surfaces that hold one of some elements."""
    if not elements:
        return candidates
    keep = np.array([not (elements & elements_of(c.formula)) for c in candidates.surfaces], bool)
    parts, start = [], 0
    for part in candidates.distributions:
        own = np.flatnonzero(keep[start : start + len(part)])
        start += len(part)
        if len(own):
            parts.append(part.take(own))
    gone = [
        (c.name, f"holds {', '.join(sorted(elements & elements_of(c.formula)))}")
        for c, kept in zip(candidates.surfaces, keep, strict=True)
        if not kept
    ]
    surfaces = tuple(c for c, kept in zip(candidates.surfaces, keep, strict=True) if kept)
    return Candidates(
        surfaces, tuple(parts), (*candidates.left_out, *gone), candidates.area_fractions
    )


def element_symbols(texts: Iterable[str], option: str) -> frozenset[str]:
    """Return the elements of lists such as ``Pb,Cd``.

    Parameters
    ----------
    texts
        Symbols, separated by commas.
    option
        Of the command, for the message.

    Raises
    ------
    QuestionError
        When a word is no element.
    """
    words = [word.strip() for text in texts for word in text.split(",") if word.strip()]
    unknown = [word for word in words if not Element.is_valid_symbol(word)]
    if unknown:
        raise QuestionError(
            f"{option} names {', '.join(unknown)}, which is no element",
            "symbols such as Pb,Cd",
            f"correct {option}",
        )
    return frozenset(words)


@lru_cache(maxsize=100_000)
def elements_of(formula: str) -> frozenset[str]:
    """Return the elements of a formula."""
    return frozenset(element.symbol for element in Composition(formula).elements)


def _require_plain(result: StoredLevels) -> None:
    """Refuse what only a file can hold: texts for numbers, numbers that are not finite, no formula."""
    for name in ("identifier", "formula", "functional", "surface_name", "source"):
        if not isinstance(getattr(result, name), str):
            raise TypeError(f"{name} of {result.identifier} is {getattr(result, name)!r}, no text")
    for name in _NUMBERS:
        value = getattr(result, name)
        if value is not None and not (
            isinstance(value, int | float) and -_LARGEST < value < _LARGEST
        ):
            raise ValueError(f"{name} of {result.identifier} is {value!r}, no number")
    for name in ("failed_checks", "warnings"):
        if not isinstance(getattr(result, name), list | tuple):
            raise TypeError(f"{name} of {result.identifier} is no list")


def _reason_against(result: SurfaceLevelsDocument | StoredLevels, flagged: bool) -> str:
    """Return why a result is left out; empty where it is used."""
    if result.state == ResultState.FAILED:
        error: Any = result.error
        name = error.get("error") if isinstance(error, dict) else getattr(error, "error", None)
        return f"failed: {name or 'no number'}"
    if result.state == ResultState.REGISTERED:
        return "registered, not computed here"
    if result.state == ResultState.FLAGGED and not flagged:
        return f"flagged: {', '.join(result.failed_checks)} (--flagged uses it)"
    if result.ionization_potential is None or result.electron_affinity is None:
        return "without IP or EA"
    try:
        method_error(result.functional)
    except PhysicsInputError:
        return f"nothing is known of the error of {result.functional}"
    return ""


def methods(surfaces: Sequence[Candidate]) -> dict[str, int]:
    """Return the methods of the levels and how many surfaces have each, most first."""
    counts: dict[str, int] = {}
    for surface in surfaces:
        counts[surface.method] = counts.get(surface.method, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
