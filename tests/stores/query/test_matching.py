from __future__ import annotations

import pytest
from stored_results import failed_result, flagged_result, passed_result, record, store

from surfalign.errors import QuerySyntaxError
from surfalign.stores.database import Database
from surfalign.stores.query.matching import matches
from surfalign.stores.query.results import find

QUERIES = (
    "",
    "formula = MgO",
    "formula != MgO",
    "formula in (MgO, ZnO)",
    "not formula in (MgO, ZnO)",
    "ionization_potential > 6.5 eV",
    "not ionization_potential > 6.5 eV",
    "ionization_potential >= 7.15 and electron_affinity < 0",
    "ionization_potential <= 6.2 or state = failed",
    "band_gap = null",
    "band_gap != null",
    "miller_index = (1,0,0)",
    "miller_index != (1,0,0)",
    "failed_checks = slab_centre",
    "not failed_checks = slab_centre",
    "timings.step = bulk",
    "timings.cpu_time > 5",
    "not timings.cpu_time > 5",
    "settings.slab_potential.ecut = 400",
    "error.step = slab_potential",
    "not (relaxed = true and formula = MgO)",
)


@pytest.mark.parametrize("query", QUERIES)
def test_a_record_matches_where_the_database_finds_it(query: str, database: Database) -> None:
    results = [passed_result("mgo"), flagged_result("cao"), failed_result("zno")]
    store(database, *results)
    found = {result.identifier for result in find(database, query)}
    assert {r.identifier for r in results if matches(query, record(r))} == found


def test_a_record_without_a_field_lacks_its_value() -> None:
    assert matches("band_gap = null", {"formula": "MgO"})
    assert not matches("band_gap > 1", {"formula": "MgO"})
    assert not matches("band_gap != 1", {"formula": "MgO"})


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(QuerySyntaxError, match="there is no field"):
        matches("bandgap > 1", {})
