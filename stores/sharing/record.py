"""What is said of a result or a data set besides its content: owner, group, licence, visibility, embargo."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from surfalign.errors import SharingError

#: Longest citation (characters).
LONGEST_CITATION = 2000
#: Licences of data and code by their SPDX identifiers.
LICENCES = (
    "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-ND-4.0", "CC-BY-NC-SA-4.0",
    "CC-BY-NC-ND-4.0", "ODbL-1.0", "ODC-By-1.0", "PDDL-1.0", "MIT", "Apache-2.0", "BSD-3-Clause",
)  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
#: SPDX's own way to name a licence that is not in its list.
_OWN_LICENCE = re.compile(r"LicenseRef-[A-Za-z0-9.-]{1,80}")
_DOI = re.compile(r"10\.\d{4,9}/[!-~]{1,200}")
_DOI_ADDRESS = re.compile(r"(https?://(dx\.)?doi\.org/|doi:\s*)", re.IGNORECASE)


class Visibility(StrEnum):
    """Who sees a result besides its owner."""

    PRIVATE = "private"
    GROUP = "group"
    PUBLIC = "public"


def checked_name(text: str) -> str:
    """Return a name of a person or a group; an empty one stands for nobody.

    Raises
    ------
    ValueError
        When it is no name.
    """
    if text and not _NAME.fullmatch(text):
        raise ValueError("a name has up to 64 letters, digits and . _ @ -, a letter or digit first")
    return text


def _licence(text: str) -> str:
    known = {name.lower(): name for name in LICENCES}
    if not text or _OWN_LICENCE.fullmatch(text):
        return text
    if text.lower() not in known:
        raise ValueError(f"a licence is one of {', '.join(LICENCES)}, or LicenseRef-NAME")
    return known[text.lower()]


def _doi(text: str) -> str:
    doi = _DOI_ADDRESS.sub("", text.strip(), count=1)
    if doi and not _DOI.fullmatch(doi):
        raise ValueError("a DOI is like 10.5281/zenodo.1234567")
    return doi


def _citation(text: str) -> str:
    if len(text) > LONGEST_CITATION or not text.replace("\n", " ").isprintable():
        raise ValueError(f"a citation is a text of up to {LONGEST_CITATION} characters")
    return text.strip()


def _whole_minutes(time: datetime | None) -> datetime | None:
    """Return a time in UTC, to the next whole minute; without a zone it is UTC."""
    if time is None:
        return None
    time = (time if time.tzinfo is not None else time.replace(tzinfo=UTC)).astimezone(UTC)
    rest = timedelta(seconds=time.second, microseconds=time.microsecond)
    return time - rest + timedelta(minutes=1) if rest else time


_Name = Annotated[str, AfterValidator(checked_name)]


class Sharing(BaseModel):
    """Who owns a result or a data set, who may see it from when on, and how it may be used."""

    model_config = ConfigDict(frozen=True)

    owner: _Name = Field(default="", description="Name of the person who always sees it")
    group: _Name = Field(default="", description="Group that sees it, unless it is private")
    visibility: Visibility = Field(
        default=Visibility.PRIVATE, description="Who sees it: its owner alone, its group, or all"
    )
    embargo_until: Annotated[datetime | None, AfterValidator(_whole_minutes)] = Field(
        default=None,
        description="Until then, UTC, what is public is seen by owner and group alone",
    )
    licence: Annotated[str, AfterValidator(_licence)] = Field(
        default="", description="Licence, SPDX identifier, e.g. 'CC-BY-4.0'"
    )
    citation: Annotated[str, AfterValidator(_citation)] = Field(
        default="", description="What to cite"
    )
    doi: Annotated[str, AfterValidator(_doi)] = Field(
        default="", description="DOI of what to cite, e.g. '10.5281/zenodo.1234567'"
    )


def changed(record: Sharing | None, changes: Mapping[str, Any]) -> Sharing:
    """Return a record with some values changed.

    Parameters
    ----------
    record
        As it was; None where nothing was said yet.
    changes
        Field to new value.

    Raises
    ------
    SharingError
        When a value cannot be, or the values do not go together.
    """
    before = {} if record is None else record.model_dump()
    if unknown := set(changes) - set(Sharing.model_fields):
        raise SharingError(
            f"there is no {', '.join(sorted(unknown))} in a sharing record",
            f"fields among {', '.join(Sharing.model_fields)}",
            "correct the name",
        )
    try:
        after = Sharing.model_validate(before | dict(changes))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        said = str(first["msg"]).removeprefix("Value error, ")
        raise SharingError(
            f"{field} cannot be {first['input']!r:.80}", said, f"correct {field}"
        ) from error
    if after.visibility is Visibility.GROUP and not after.group:
        raise SharingError(
            "visibility is group, and no group is named", "the group that sees it", "name a group"
        )
    if after.embargo_until is not None and after.visibility is not Visibility.PUBLIC:
        raise SharingError(
            f"an embargo ends by making a result public, and its visibility is {after.visibility}",
            "visibility public with an embargo",
            "make it public from that time on, or take the embargo away",
        )
    return after
