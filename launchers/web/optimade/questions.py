"""What a request asks of a list of entries: filter, sorting, page and fields."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from optimade.exceptions import (
    BadRequest,
    Forbidden,
    NotImplementedResponse,
    VersionNotSupported,
)
from starlette.requests import Request

from surfalign.launchers.web.optimade.filters import KNOWN_PREFIXES, compiled
from surfalign.launchers.web.optimade.properties import OWN_PREFIX, Vocabulary

#: Entries of a page where no number is asked for, and most that are given.
PAGE_LIMIT, LARGEST_PAGE = 20, 500
#: Parameters of the specification that lists know, and those that every address knows.
_OF_LISTS = frozenset(
    ["filter", "sort", "page_limit", "page_offset", "page_number", "include", "dimension_slices"]
)
_OF_ALL = frozenset(
    [
        "response_format",
        "email_address",
        "response_fields",
        "api_hint",
        "include",
        "dimension_slices",
    ]
)
_LARGEST_NUMBER = 10**9


class HasValues(Protocol):
    """An entry."""

    @property
    def id(self) -> str:
        """Its identifier."""

    def value(self, name: str) -> Any:
        """Return the value of a property."""


Item = TypeVar("Item", bound=HasValues)


@dataclass(frozen=True)
class Question:
    """What a request asks for.

    Attributes
    ----------
    filter
        In the filter language; empty for all.
    sort
        Names of properties, the first decides first, each with whether the largest comes first.
    limit, offset
        How many entries to show, and behind how many of the list.
    fields
        Names of the properties to show; None for those that are shown by default.
    with_references
        Whether the references of the entries are shown, too.
    warnings
        What the asker should know.
    """

    filter: str = ""
    sort: tuple[tuple[str, bool], ...] = ()
    limit: int = PAGE_LIMIT
    offset: int = 0
    fields: tuple[str, ...] | None = None
    with_references: bool = True
    warnings: list[str] = field(default_factory=list)


def asked(request: Request, vocabulary: Vocabulary, *, of_list: bool) -> Question:
    """Return what a request asks for.

    Parameters
    ----------
    request
        The request.
    vocabulary
        Of the type of entries.
    of_list
        Whether it asks for a list; of a single entry, parameters without a meaning are ignored.

    Raises
    ------
    OptimadeHTTPException
        When a parameter is not known or has no such value.
    """
    given = dict(request.query_params)
    warnings = _checked_names(given, of_list)
    if given.get("response_format", "json") != "json":
        raise BadRequest("response_format is json")
    if given.get("dimension_slices"):
        raise NotImplementedResponse("dimension_slices are not supported")
    check_hint(given.get("api_hint", ""))
    fields = _fields(given.get("response_fields", ""), vocabulary, warnings)
    included = [part for part in given.get("include", "references").split(",") if part]
    if set(included) - {"references"}:
        raise BadRequest("include knows references alone")
    if not of_list:
        return Question(fields=fields, with_references=bool(included), warnings=warnings)
    limit = _number(given, "page_limit", PAGE_LIMIT, smallest=1)
    if limit > LARGEST_PAGE:
        raise Forbidden(f"page_limit is at most {LARGEST_PAGE}")
    offset = _number(given, "page_offset", 0)
    if "page_number" in given:
        offset = (_number(given, "page_number", 1, smallest=1) - 1) * limit
    return Question(
        given.get("filter", ""), _sorting(given.get("sort", ""), vocabulary), limit, offset, fields,
        bool(included), warnings,
    )  # fmt: skip


def found(
    entries: Sequence[Item], question: Question, vocabulary: Vocabulary
) -> tuple[list[Item], list[str]]:
    """Return the entries that a question matches, in order, and what the asker should know of its filter."""
    chosen, warnings = list(entries), list[str]()
    if question.filter.strip():
        filter_ = compiled(question.filter, vocabulary)
        chosen = [entry for entry in entries if filter_.test(entry.value) is True]
        warnings = filter_.warnings
    for name, is_descending in reversed(question.sort):
        known = [entry for entry in chosen if entry.value(name) is not None]
        unknown = [entry for entry in chosen if entry.value(name) is None]
        chosen = sorted(known, key=lambda entry: entry.value(name), reverse=is_descending) + unknown
    return chosen, warnings


def check_hint(hint: str) -> None:
    """Refuse the hint of a version of the specification that is not spoken here.

    Raises
    ------
    OptimadeHTTPException
        When it is another version, or no version.
    """
    if not hint:
        return
    version = re.fullmatch(r"v(\d{1,6})(?:\.(\d{1,6}))?", hint)
    if version is None:
        raise BadRequest(f"api_hint is like v1 or v1.2, not {hint!r:.40}")
    if int(version[1]) != 1 or int(version[2] or 0) > 2:
        raise VersionNotSupported(f"{hint} is not spoken here; v1.2 is")


def _checked_names(given: Mapping[str, str], of_list: bool) -> list[str]:
    """Return warnings of parameters that are of other providers; refuse those of nobody."""
    warnings = []
    for name in given:
        if name in _OF_ALL or (of_list and name in _OF_LISTS) or not of_list:
            continue
        if not name.startswith("_") or name.startswith(OWN_PREFIX):
            raise BadRequest(f"there is no parameter {name!r:.60}")
        if name.split("_")[1] not in KNOWN_PREFIXES:
            warnings.append(
                f"the parameter {name:.60} has a prefix of no known provider and is ignored"
            )
    return warnings


def _fields(text: str, vocabulary: Vocabulary, warnings: list[str]) -> tuple[str, ...] | None:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name in vocabulary.properties or name in vocabulary.standard:
            continue
        if not name.startswith("_") or name.startswith(OWN_PREFIX):
            raise BadRequest(f"there is no property {name!r:.60} for response_fields")
        if name.split("_")[1] not in KNOWN_PREFIXES:
            warnings.append(f"{name:.60} has a prefix of no known provider: it is null")
    return names or None


def _sorting(text: str, vocabulary: Vocabulary) -> tuple[tuple[str, bool], ...]:
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name = part.removeprefix("-")
        known = vocabulary.properties.get(name)
        if known is None or not known.is_sortable:
            raise BadRequest(
                f"entries cannot be sorted by {name!r:.60}; /info says by what they can"
            )
        found.append((name, part.startswith("-")))
    return tuple(found)


def _number(given: Mapping[str, str], name: str, default: int, smallest: int = 0) -> int:
    text = given.get(name, str(default))
    is_number = text.isascii() and text.isdigit() and len(text) <= 10
    if not is_number or not smallest <= int(text) <= _LARGEST_NUMBER:
        raise BadRequest(
            f"{name} is a whole number from {smallest} to {_LARGEST_NUMBER}, not {text!r:.40}"
        )
    return int(text)
