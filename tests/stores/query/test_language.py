"""The query language: what is matched, and what is refused with which words."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored_results import failed_result, flagged_result, passed_result, store

from surfalign.errors import QuerySyntaxError
from surfalign.stores.database import Database
from surfalign.stores.documents import BulkDocument
from surfalign.stores.query.fields import describe
from surfalign.stores.query.language import MAX_LENGTH, known_field, to_filter
from surfalign.stores.query.results import count, find
from surfalign.stores.query.values import Literal, mongo_value


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("  ", {}),
        ("band_gap > 6", {"band_gap": {"$gt": 6.0}}),
        ("band_gap>=6eV", {"band_gap": {"$gte": 6.0}}),
        ("band_gap < -.5e1 eV", {"band_gap": {"$lt": -5.0}}),
        ("surface_energy <= 1.2 J/m^2", {"surface_energy": {"$lte": 1.2}}),
        ("surface_energy <= 1.2 J/m²", {"surface_energy": {"$lte": 1.2}}),
        ("slab_thickness > 10 Å", {"slab_thickness": {"$gt": 10.0}}),
        ("area > 1 angstrom**2", {"area": {"$gt": 1.0}}),
        ("timings.cpu_time > 60 s", {"timings.cpu_time": {"$gt": 60.0}}),
        ("band_gap < 1E1 or band_gap < 1e+1", {"$or": [{"band_gap": {"$lt": 10.0}}] * 2}),
        ("exchange_fraction = 0.25", {"exchange_fraction": 0.25}),
        ("space_group_number = 225", {"space_group_number": 225}),
        ("space_group_number > 99999999999999999999", {"space_group_number": {"$gt": 2**63 - 1}}),
        ("n_atoms > -99999999999999999999", {"n_atoms": {"$gt": -(2**63)}}),
        ("n_atoms > +4", {"n_atoms": {"$gt": 4}}),
        ("slab_thickness > 10 ang", {"slab_thickness": {"$gt": 10.0}}),
        ("slab_thickness > 10 angstrom", {"slab_thickness": {"$gt": 10.0}}),
        ("area > 10 ang^2", {"area": {"$gt": 10.0}}),
        ("area > 10 Å²", {"area": {"$gt": 10.0}}),
        ("settings.bulk.ecut = 400 eV", {"settings.bulk.ecut": 400}),
        ("settings.bulk.spin = true", {"settings.bulk.spin": True}),
        ("settings.bulk.xc = MgO2", {"settings.bulk.xc": "MgO2"}),
        ("formula = OMg", {"formula": "MgO"}),
        ("surface_name = Mg2O2", {"surface_name": "Mg2O2"}),
        ("formula == 'Mg2O2'", {"formula": "MgO"}),
        ("source = library:TiO2-rutile", {"source": "library:TiO2-rutile"}),
        ("source = 'it\\'s'", {"source": "it's"}),
        ('source = "my \\"best\\" crystal"', {"source": 'my "best" crystal'}),
        ("relaxed = TRUE", {"relaxed": True}),
        ("relaxed = False", {"relaxed": False}),
        ("source = 'true'", {"source": "true"}),
        ("state != failed", {"state": {"$nin": ["failed", None]}}),
        ("state <> failed", {"state": {"$nin": ["failed", None]}}),
        ("band_gap = null", {"band_gap": None}),
        ("band_gap != null", {"band_gap": {"$ne": None}}),
        ("not band_gap = null", {"band_gap": {"$ne": None}}),
        ("miller_index = (1,-1,0)", {"miller_index": [1, -1, 0]}),
        ("miller_index = [1, -1, 0]", {"miller_index": [1, -1, 0]}),
        ("miller_index = '1 -1 0'", {"miller_index": [1, -1, 0]}),
        ("miller_index = '1,-1,0'", {"miller_index": [1, -1, 0]}),
        ("miller_index = '1-10'", {"miller_index": [1, -1, 0]}),
        ("miller_index = 110", {"miller_index": [1, 1, 0]}),
        ("miller_index in ((1,0,0), 111)", {"miller_index": {"$in": [[1, 0, 0], [1, 1, 1]]}}),
        ("formula not in (MgO)", {"formula": {"$nin": ["MgO", None]}}),
        ("not formula in (MgO)", {"formula": {"$nin": ["MgO", None]}}),
        ("not formula not in (MgO)", {"formula": {"$in": ["MgO"]}}),
        ("settings.bulk.mode.ecut = 400", {"settings.bulk.mode.ecut": 400}),
        ("code_versions.gpaw = '26.7.0'", {"code_versions.gpaw": "26.7.0"}),
        ("created_at > '2026-11-20'", {"created_at": {"$gt": datetime(2026, 11, 20, tzinfo=UTC)}}),
        (
            "created_at > '2026-11-20T13:00+01:00'",
            {"created_at": {"$gt": datetime(2026, 11, 20, 12, tzinfo=UTC)}},
        ),
        (
            "band_gap > 1 or band_gap < 2 AND band_gap != 3",
            {
                "$or": [
                    {"band_gap": {"$gt": 1.0}},
                    {"$and": [{"band_gap": {"$lt": 2.0}}, {"band_gap": {"$nin": [3.0, None]}}]},
                ]
            },
        ),
        (
            "not (band_gap > 1 and formula = MgO)",
            {"$or": [{"band_gap": {"$lte": 1.0}}, {"formula": {"$nin": ["MgO", None]}}]},
        ),
        ("not not band_gap > 1", {"band_gap": {"$gt": 1.0}}),
        ("not band_gap < 1", {"band_gap": {"$gte": 1.0}}),
        ("not band_gap <= 1", {"band_gap": {"$gt": 1.0}}),
        ("not band_gap > 1", {"band_gap": {"$lte": 1.0}}),
        ("not band_gap >= 1", {"band_gap": {"$lt": 1.0}}),
        ("not band_gap = 1", {"band_gap": {"$nin": [1.0, None]}}),
        ("not band_gap != 1", {"band_gap": 1.0}),
        # No item of the list, which is not the same as some item on the other side.
        ("not timings.wall_time > 2 s", {"timings.wall_time": {"$not": {"$gt": 2.0}}}),
        ("not timings.step = bulk", {"timings.step": {"$nin": ["bulk", None]}}),
        ("not timings.step != bulk", {"timings.step": "bulk"}),
    ],
)
def test_translation(query: str, expected: dict[str, Any]) -> None:
    assert to_filter(query) == expected


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("Band_gap > 6", "no field 'Band_gap'.*such as band_gap, semilocal_band_gap"),
        ("qqq > 6", "such as formula, ionization_potential, band_gap"),
        (
            "ionization_potental > 6",
            "no field 'ionization_potental'.*such as ionization_potential, "
            r"semilocal_ionization_potential, ionization_potential_site_potentials\. To do",
        ),
        ("gap > 6", "no field 'gap'.*such as band_gap"),
        ("formula.x = 1", r"no field 'formula\.x'"),
        ("_id = 1", "no field '_id'"),
        ("built_from.uuid = 1", "no field"),
        ("band_gap > 6 J", "6 J has the unit J, but band_gap has eV.*with the unit eV, or none"),
        ("band_gap > 6 meV", "unit meV, but band_gap has eV"),
        ("surface_energy in (1, 2 eV)", "unit eV, but surface_energy has J/m"),
        ("exchange_fraction = 1 eV", "but exchange_fraction has none.*a number with no unit"),
        ("exchange_fraction = high", r"high is no value of exchange_fraction.*a number\."),
        ("band_gap > 6 EV", "6 EV has the unit EV, but band_gap has eV"),
        ("n_atoms = 4 eV", "but n_atoms has none"),
        ("checks.value > 1 eV", "unit eV, but checks.value has see unit"),
        ("band_gap > '6'", '"6" is no value of band_gap.*a number in eV'),
        ("band_gap > wide", "wide is no value of band_gap"),
        ("band_gap = true", "true is no value of band_gap"),
        ("band_gap > null", "compares what has no order"),
        ("band_gap in (1, null)", "null stands in a list.*band_gap = null"),
        ("formula > MgO", "compares what has no order"),
        ("relaxed > true", "compares what has no order"),
        ("miller_index > (1,0,0)", "compares what has no order"),
        ("formula = Xx2", "'Xx2' is no chemical formula"),
        ("formula = 'a$b'", "no chemical formula"),
        ("formula = ''", "no chemical formula"),
        ("formula = 3", "3 is no value of formula.*a text"),
        ("state = good", "good is no value of state.*passed, flagged, failed"),
        ("relaxed = yes", "yes is no value of relaxed.*true or false"),
        ("n_atoms = 1.5", "1.5 is no value of n_atoms.*an integer"),
        ("n_atoms = true", "true is no value of n_atoms"),
        ("miller_index = (1,0)", "no value of miller_index.*three integers"),
        ("miller_index = (1,0,0.5)", "other numbers than integers"),
        ("miller_index = 'a b c'", "three integers"),
        ("miller_index = 10", "three integers"),
        ("created_at > 2026", "2026 is no value of created_at.*a time such as"),
        ("created_at > 'yesterday'", "'yesterday' is no time for created_at"),
        ("slab_structure = 3", "slab_structure is a structure.*another field"),
        ("checks = 3", "checks is a record.*checks.name"),
        ("formula MgO", "at character 9, 'MgO'.*one of = != < <= > >= in"),
        ("formula =", r"at character 10, its end.*Expected: value\."),
        ("formula = MgO and", "at character 18, its end.*comparison"),
        ("and", "at character 1, 'and'.*comparison"),
        ("(formula = MgO", "at character 15, its end"),
        ("formula = MgO)", r"at character 14, '\)'.*end of text"),
        ("formula in ()", "at character 13.*value"),
        ("formula = 'MgO", "at character 11"),
        ("formula = in", "at character 11, 'in'.*Expected: value"),
        ("formula in = 1", r"at character 12, '= 1'.*Expected: '\('"),
        ("formula not MgO", "at character 13, 'MgO'.*Expected: in"),
        ("formula in (MgO", r"at character 16, its end.*Expected: '\)'"),
        ("formula in (MgO,", r"at character 16, ','.*Expected: '\)'"),
        ("miller_index = (1, 0 and", "at character 22, 'and'.*Expected: closing bracket"),
        ("miller_index = (1, 0,", "at character 21, ','.*Expected: closing bracket"),
        ("miller_index = (", "at character 17, its end.*Expected: number"),
        ("not and", "at character 5, 'and'.*Expected: comparison"),
        ("not = 3", "at character 5, '= 3'.*Expected: comparison"),
        ("or = 3", "at character 1, 'or = 3'.*Expected: comparison"),
        ("formula = MgO or or", "at character 18, 'or'.*Expected: comparison"),
        ("formula = MgO or and (", "at character 18, 'and .'.*Expected: comparison"),
        ("formula = MgO and (", "at character 20, its end.*Expected: comparison"),
        ("(formula = MgO and", "at character 19, its end.*Expected: comparison"),
        ("band_gap 1", "at character 10, '1'.*Expected: one of = !="),
        ("formula = 'abcdefghijklmnopqrstuvwxyz", '11, "\'abcdefghijklmnopqrs"'),
        ("relaxed = true band_gap < 2", "at character 16, 'band_gap < 2'.*end of text"),
        ('{"$where": "1"}', "at character 1"),
        ("$where = 1", "at character 1"),
        ("settings.$where = 1", "at character 9"),
        ('formula = {"$gt": ""}', "at character 11"),
        ("(" * 5000, "nested too deeply"),
        ("not " * 2000 + "relaxed = true", "nested too deeply"),
        ("x" * (MAX_LENGTH + 1), f"has {MAX_LENGTH + 1} characters"),
    ],
)
def test_refusal(query: str, message: str) -> None:
    with pytest.raises(QuerySyntaxError, match=message) as caught:
        to_filter(query)
    assert not any(word in str(caught.value) for word in PARSERS_WORDS)


#: The parser's own words, which no user should read.
PARSERS_WORDS = (
    "Suppress",
    "Forward",
    "Re:(",
    "Keyword",
    "Expected: Expected",
    "Expected: {",
    ": None",
)


@pytest.mark.parametrize("unit", ["angstrom^3", "angstrom**3", "Å³", "ang^3"])
def test_volumes_have_the_usual_spellings(unit: str) -> None:
    path = "equation_of_state.equilibrium_volume"
    field = describe(BulkDocument)[path]
    assert mongo_value(field, path, Literal.number("70", unit)) == 70.0


def test_the_longest_query_is_ten_thousand_characters() -> None:
    query = "relaxed = true"
    assert to_filter(query.ljust(MAX_LENGTH)) == {"relaxed": True}
    with pytest.raises(QuerySyntaxError, match=r"10001 characters.*at most 10000"):
        to_filter(query.ljust(MAX_LENGTH + 1))


@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused(query: str) -> None:
    with suppress(QuerySyntaxError):
        to_filter(query)


words = st.sampled_from(
    [
        "(",
        ")",
        "[",
        "]",
        ",",
        "=",
        "!=",
        "<",
        ">",
        "in",
        "not",
        "and",
        "or",
        "band_gap",
        "formula",
        "state",
        "MgO",
        "'x'",
        "6",
        "eV",
        "null",
        "true",
        ".",
        "-",
        "1e5",
    ]
)


@given(st.lists(words, max_size=14))
def test_any_words_are_understood_or_refused_in_plain_words(query: list[str]) -> None:
    refusal = ""
    try:
        to_filter(" ".join(query))
    except QuerySyntaxError as error:
        refusal = str(error)
    assert not any(word in refusal for word in PARSERS_WORDS)


def test_long_queries_take_linear_time() -> None:
    query = " or ".join(["(band_gap > 1 and not formula in (MgO, CaO))"] * 200)
    assert len(to_filter(query)["$or"]) == 200


def test_fields_of_settings_can_be_sorted_by() -> None:
    assert known_field("settings.bulk.ecut").path == "settings"
    with pytest.raises(QuerySyntaxError, match="is a record"):
        known_field("error")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (None, "cao mgo zno"),
        ("ionization_potential > 6 eV", "cao mgo"),
        ("ionization_potential > 7", "mgo"),
        ("not ionization_potential > 7", "cao"),
        ("ionization_potential <= 7", "cao"),
        ("ionization_potential != 7.15", "cao"),
        ("not ionization_potential = 7.15", "cao"),
        ("ionization_potential = null", "zno"),
        ("ionization_potential != null", "cao mgo"),
        ("ionization_potential > 6 and formula = OMg", "mgo"),
        ("formula in (MgO, ZnO)", "mgo zno"),
        ("formula not in (MgO, ZnO)", "cao"),
        ("miller_index = (1,1,0)", "zno"),
        ("miller_index != (1,1,0)", "cao mgo"),
        ("miller_index in (110, 001)", "zno"),
        ("failed_checks = slab_centre", "cao"),
        ("failed_checks != slab_centre", "mgo zno"),
        ("not failed_checks = slab_centre", "mgo zno"),
        ("timings.wall_time > 2 s", "cao mgo"),
        ("not timings.wall_time > 2 s", "zno"),
        ("not timings.wall_time > 200 s", "cao mgo zno"),
        ("checks.name = slab_centre and checks.passed = false", "cao"),
        ("settings.slab_potential.ecut = 400", "cao mgo"),
        ("settings.slab_potential.ecut < 400", ""),
        ("error.error = ConvergenceError", "zno"),
        ("error = null or formula = ZnO", None),
        ("state = failed or relaxed = true", "cao mgo zno"),
        ("not (state = failed or formula = MgO)", "cao"),
        ("created_at > '2000-01-01'", "cao mgo zno"),
        ("created_at < '2000-01-01'", ""),
    ],
)
def test_the_server_finds_what_the_query_means(
    database: Database, query: str | None, expected: str | None
) -> None:
    store(database, passed_result("mgo"), flagged_result("cao"), failed_result("zno"))
    if expected is None:
        with pytest.raises(QuerySyntaxError, match="is a record"):
            find(database, query)
        return

    found = {document.identifier for document in find(database, query)}

    assert found == set(expected.split())
    assert count(database, query) == len(found)
