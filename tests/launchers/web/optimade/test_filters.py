"""The filter language on entries that can be counted by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optimade.exceptions import BadRequest, NotImplementedResponse
from optimade.filterparser import LarkParser

from surfalign.launchers.web.optimade.filters import LONGEST, _grammar, compiled
from surfalign.launchers.web.optimade.properties import vocabulary_of

STRUCTURES = vocabulary_of("structures")
IP, NAME = "_surfalign_ionization_potential", "_surfalign_surface_name"
CHECKED, FAILED = "_surfalign_checks_passed", "_surfalign_failed_checks"

#: Five entries; what one lacks is unknown.
ENTRIES: dict[str, dict[str, Any]] = {
    "mgo": {
        "elements": ["Mg", "O"], "nelements": 2, "elements_ratios": [0.5, 0.5], "nsites": 8, IP: 6.5,
        NAME: "MgO(100)-A", CHECKED: True, FAILED: [], "last_modified": datetime(2026, 1, 1, tzinfo=UTC),
    },
    "tio2": {
        "elements": ["O", "Ti"], "nelements": 2, "elements_ratios": [2 / 3, 1 / 3], "nsites": 6, IP: 8.0,
        NAME: "TiO2(110)-B", CHECKED: True, FAILED: [], "last_modified": datetime(2026, 6, 1, tzinfo=UTC),
    },
    "srtio3": {
        "elements": ["O", "Sr", "Ti"], "nelements": 3, "elements_ratios": [0.6, 0.2, 0.2], "nsites": 10,
        IP: 7.0, NAME: "SrTiO3(100)-B", CHECKED: False, FAILED: ["a(b.*c)"],
        "last_modified": datetime(2026, 6, 1, 12, tzinfo=UTC),
    },
    "odd": {
        "elements": ["O", "Zn"], "nelements": 2, "elements_ratios": [0.5, 0.5], "nsites": 4,
        NAME: 'Zn"O\\(1.0)', CHECKED: False, FAILED: ["a(b.*c)", "slab_centre"],
        "last_modified": datetime(2025, 1, 1, tzinfo=UTC),
    },
    "bare": {"elements": ["O"], "nelements": 1, "elements_ratios": [1.0], "nsites": 2},
}  # fmt: skip

KNOWN_ANSWERS = {
    f"{IP} > 6.9": "srtio3 tio2",
    f"7 <= {IP}": "srtio3 tio2",
    f"{IP} != 7": "mgo tio2",
    f"NOT {IP} > 6.9": "mgo",
    f"{IP} IS UNKNOWN": "bare odd",
    f"NOT {IP} IS UNKNOWN AND nsites > 6": "mgo srtio3",
    "nsites = 8.0 OR nsites = 2": "bare mgo",
    "nsites>2 AND (nsites<5 OR nsites=10)": "odd srtio3",
    "nsites>2 AND nsites<5 OR nsites=10": "odd srtio3",
    "NOT (nsites=8 OR NOT (nelements=2 AND nsites<8))": "odd tio2",
    'elements HAS "Ti"': "srtio3 tio2",
    'elements HAS ALL "O","Ti"': "srtio3 tio2",
    'elements HAS ANY "Mg","Zn"': "mgo odd",
    'elements HAS ONLY "O","Ti"': "bare tio2",
    'NOT elements HAS ANY "Ti","Mg"': "bare odd",
    "elements LENGTH 2": "mgo odd tio2",
    "elements LENGTH >= 3": "srtio3",
    "elements_ratios HAS > 0.6": "bare tio2",
    "elements_ratios HAS ALL < 0.3, > 0.5": "srtio3",
    'elements:elements_ratios HAS "Ti":<0.3': "srtio3",
    'elements:elements_ratios HAS ALL "O":>0.55,"Ti":>0.3': "tio2",
    'elements:elements_ratios HAS ONLY "O":>=0.5,"Mg":0.5': "bare mgo",
    f"{FAILED} LENGTH 0": "mgo tio2",
    f'{FAILED} HAS "a(b.*c)"': "odd srtio3",
    f'{NAME} CONTAINS "(1"': "mgo odd srtio3 tio2",
    f'{NAME} CONTAINS "(1.0)"': "odd",
    f'{NAME} STARTS WITH "Ti"': "tio2",
    f'{NAME} STARTS "M"': "mgo",
    f'{NAME} ENDS WITH ")-B"': "srtio3 tio2",
    f'{NAME} CONTAINS ".*"': "",
    f'{NAME} = "Zn\\"O\\\\(1.0)"': "odd",
    f'{NAME} < "N"': "mgo",
    f"{CHECKED} = TRUE": "mgo tio2",
    f"{CHECKED} != TRUE": "odd srtio3",
    'last_modified >= "2026-06-01T00:00:00Z"': "srtio3 tio2",
    'last_modified > "2026-06-01T02:00:00+02:00"': "srtio3",
    '"2026-01-01T00:00:00Z" > last_modified': "odd",
    "nsites = nelements": "",
    "nelements < nsites AND nsites < 5": "bare odd",
    "2 < 3": "bare mgo odd srtio3 tio2",
    "_mp_energy < 1 OR nsites = 2": "bare",
    "NOT _mp_energy < 1": "",
    "_mp_energy IS UNKNOWN AND nsites < 5": "bare odd",
    'immutable_id = "x"': "",
    'NOT immutable_id = "x"': "",
}


def matching(text: str) -> str:
    test = compiled(text, STRUCTURES).test
    return " ".join(sorted(name for name, entry in ENTRIES.items() if test(entry.get) is True))


@pytest.mark.parametrize("text", KNOWN_ANSWERS)
def test_a_filter_has_its_known_answer(text: str) -> None:
    assert matching(text) == KNOWN_ANSWERS[text]


@pytest.mark.parametrize("text", KNOWN_ANSWERS)
def test_our_parser_reads_a_filter_as_the_one_of_the_library_does(text: str) -> None:
    theirs = LarkParser(version=(1, 2, 0)).parse(text)
    ours = _grammar().parse(text)

    def names(tree: Any) -> list[Any]:
        return [str(tree.data), [names(part) for part in tree.children if hasattr(part, "data")]]

    assert names(ours) == names(theirs)


REFUSED = {
    "crazyfield = 2": 400, "_surfalign_nonsense = 2": 400, "nsites": 400, "nsites =": 400, "= 2": 400,
    "nsites = 2 nelements = 2": 400, "(nsites = 2": 400, "nsites = 2)": 400, 'nsites = "2': 400,
    "nsites == 2": 400, "Nsites = 2": 400, "nsites = two": 400, "nsites IS 2": 400, "$where = 1": 400,
    "elements HAS": 400, "elements LENGTH x": 400, "elements LENGTH 1.5": 400, "nsites = " + "9" * 5000: 400,
    'last_modified > "yesterday"': 400, 'last_modified > "2026-01-01T00:00:00"': 400,
    "_surfalign_checks_passed > FALSE": 400, 'elements:nsites HAS "O"': 400, 'elements:elements HAS "O"': 400,
    f'{IP} > "6 eV"': 501, 'nsites = "2"': 501, f"{NAME} = 2": 501, "nsites = TRUE": 501,
    'nsites CONTAINS "2"': 501, f"{NAME} CONTAINS 2": 501, 'elements = "O"': 501, 'nsites HAS "O"': 501,
    "elements HAS 2": 501, "nsites LENGTH 2": 501, '"a" = "b"': 501, "last_modified > 2026": 501,
    'species.name HAS "O"': 501, "lattice_vectors IS KNOWN": 501, "cartesian_site_positions LENGTH 2": 501,
    "nsites=1 OR " * 2000 + "nsites=1": 400, "(" * 4000 + "nsites=1" + ")" * 4000: 400,
    "NOT " * 2000 + "nsites=1": 400,
}  # fmt: skip


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:40])
def test_what_has_no_meaning_is_refused_as_the_specification_says(text: str) -> None:
    expected = {400: BadRequest, 501: NotImplementedResponse}[REFUSED[text]]
    with pytest.raises(expected):
        compiled(text, STRUCTURES)


def test_only_prefixes_of_nobody_are_warned_of() -> None:
    assert compiled("_mp_energy < 1", STRUCTURES).warnings == []
    assert "_nobody_energy" in compiled("_nobody_energy < 1", STRUCTURES).warnings[0]


def test_a_long_filter_is_read_at_once() -> None:
    text = " OR ".join(f'elements HAS ALL "O","Ti" AND nsites = {i}' for i in range(200))
    assert len(text) < LONGEST
    assert matching(text) == "srtio3 tio2"


@given(st.text(max_size=60) | st.lists(st.sampled_from(
    ["nsites", "elements", IP, "=", "<", "HAS", "ALL", "NOT", "AND", "OR", "(", ")", '"O"', "2", ",", ":", "IS",
     "KNOWN", "LENGTH", "TRUE", "_mp_x", "STARTS", "."]), max_size=12).map(" ".join))  # fmt: skip
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        test = compiled(text, STRUCTURES).test
    except (BadRequest, NotImplementedResponse):
        return
    for entry in ENTRIES.values():
        assert test(entry.get) in (True, False, None)
