"""Typed reading of results, and their JSON form."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from pymatgen.core import Structure
from stored_results import failed_result, flagged_result, passed_result, slab, store

from surfalign.errors import DocumentNotFoundError, QuerySyntaxError
from surfalign.stores.database import Database
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.query.fields import large_fields
from surfalign.stores.query.results import count, find, get, to_json


def identifiers(found: Iterator[SurfaceLevelsDocument]) -> list[str]:
    return [document.identifier for document in found]


def test_get_returns_the_whole_document(database: Database) -> None:
    document = passed_result("mgo")
    store(database, document)

    found = get(database, "mgo")

    # BSON keeps milliseconds.
    assert found.model_dump(exclude={"created_at"}) == document.model_dump(exclude={"created_at"})
    assert abs((found.created_at - document.created_at).total_seconds()) < 1e-3
    assert found.slab_structure is not None
    assert found.slab_structure.site_properties["bulk_site"] == [0, 1]


def test_get_takes_a_unique_beginning(database: Database) -> None:
    store(database, passed_result("mgo-100-a"), passed_result("mgo-100"), passed_result("cao-1"))

    assert get(database, "ca").identifier == "cao-1"
    assert get(database, "mgo-100").identifier == "mgo-100"  # also the beginning of another
    with pytest.raises(DocumentNotFoundError, match="several results begin with 'mgo'"):
        get(database, "mgo")
    with pytest.raises(DocumentNotFoundError, match=r"no result has the identifier 'm\.o'"):
        get(database, "m.o")
    with pytest.raises(DocumentNotFoundError, match="no result has the identifier ''"):
        get(database, "")


def test_find_leaves_out_what_is_large_unless_asked(database: Database) -> None:
    store(database, passed_result("mgo"))

    lean, full = next(find(database)), next(find(database, full=True))

    assert all(getattr(lean, field) is None for field in large_fields(SurfaceLevelsDocument))
    assert lean.ionization_potential == full.ionization_potential
    assert isinstance(full.slab_structure, Structure)
    assert full.potential is not None


def test_find_sorts_with_missing_values_last_and_limits(database: Database) -> None:
    store(database, passed_result("b"), flagged_result("a"), failed_result("c"))

    assert identifiers(find(database, sort="band_gap")) == ["a", "b", "c"]
    assert identifiers(find(database, sort="band_gap", descending=True)) == ["b", "a", "c"]
    assert identifiers(find(database, sort="band_gap", limit=2)) == ["a", "b"]
    assert identifiers(find(database, sort="identifier", descending=True)) == ["c", "b", "a"]
    assert identifiers(find(database, "band_gap = null", sort="band_gap")) == ["c"]
    assert identifiers(find(database, limit=0)) == []


def test_a_bad_query_is_refused_before_iteration(database: Database) -> None:
    with pytest.raises(QuerySyntaxError, match="no field"):
        find(database, "nonsense = 1")
    with pytest.raises(QuerySyntaxError, match="no field"):
        find(database, sort="nonsense")
    with pytest.raises(QuerySyntaxError, match="no field"):
        count(database, "nonsense = 1")


def test_more_results_than_one_batch(database: Database) -> None:
    store(database, *(failed_result(f"{number:03}") for number in range(110)))

    assert identifiers(find(database)) == [f"{number:03}" for number in range(110)]
    assert count(database) == 110


def test_to_json_is_plain_and_reads_back() -> None:
    documents = [passed_result("mgo"), flagged_result("cao"), failed_result("zno")]

    records = json.loads(json.dumps(to_json(documents), allow_nan=False))

    assert [record["identifier"] for record in records] == ["mgo", "cao", "zno"]
    assert set(records[0]) == set(SurfaceLevelsDocument.model_fields)
    assert records[0]["miller_index"] == [1, 0, 0]
    assert records[0]["ionization_potential"] == 7.15
    assert records[1]["checks"][1]["value"] is None  # not a number
    assert records[2]["error"]["error"] == "ConvergenceError"
    assert Structure.from_dict(records[0]["slab_structure"]) == slab()
    assert SurfaceLevelsDocument.model_validate(records[0]) == documents[0]


def test_to_json_can_leave_out_what_is_large() -> None:
    [record] = to_json([passed_result("mgo")], full=False)

    large = set(large_fields(SurfaceLevelsDocument))
    assert set(record) == set(SurfaceLevelsDocument.model_fields) - large


def test_numpy_values_in_settings_become_plain() -> None:
    import numpy as np

    settings = {"kpts": np.array([2, 2, 1]), "ecut": np.float64(400.0)}
    [record] = to_json([passed_result("mgo", settings=settings)])

    assert json.loads(json.dumps(record["settings"])) == {"kpts": [2, 2, 1], "ecut": 400.0}
