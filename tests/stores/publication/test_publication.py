"""Published data sets: what may be in one, that others can read it, and that it comes back as it was."""

from __future__ import annotations

import json
import random
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from stored_results import failed_result, flagged_result, passed_result, store

from surfalign.errors import (
    DamagedArchiveError,
    FilledStoreError,
    MissingFileError,
    PublicationError,
    UnwritableFileError,
)
from surfalign.hashing import sha256_of
from surfalign.settings import load_settings
from surfalign.stores.database import Database, connect
from surfalign.stores.measured.registration import as_document, register
from surfalign.stores.publication.description import Description
from surfalign.stores.publication.importing import import_crate, verify
from surfalign.stores.publication.layout import CHECKSUMS, CIF, FILES, read_documents
from surfalign.stores.publication.selection import Selection, without_names
from surfalign.stores.query import results
from surfalign.stores.query.results import json_line
from surfalign.stores.sharing.record import Sharing, Visibility
from surfalign.stores.sharing.register import SharingRegister
from surfalign.stores.sharing.visibility import ANYONE, may_see

pytestmark = pytest.mark.mongo
pytest.importorskip("rocrate")
pytest.importorskip("mlcroissant")

OPEN = {"visibility": "public", "licence": "CC-BY-4.0", "citation": "A. Author (2026)"}


def silent(title: str, done: int, total: int) -> None:
    """Show no progress."""


def describe(selection: Selection) -> Description:
    return Description(
        title="Oxides: a test",
        creators=("Author, Anna", "(:unav)"),
        licence=selection.licence,
        version="1.0.0",
        published=date(2026, 11, 28),
        text="Some levels.",
        doi="10.1000/example",
        citations=selection.citations,
    )


@pytest.fixture
def shared(database: Database) -> Database:
    """Public results of all kinds; one has a number that is not finite, one was measured."""
    measured = as_document(
        {"template": "ups", "formula": "MgO", "grade": "A", "space_group": 225,
         "ionization_potential": "7.15 eV", "reference": "B. Author"}
    )  # fmt: skip
    bulk = passed_result().slab_structure
    store(
        database,
        passed_result("mgo-100", bulk_structure=bulk, archives={"bulk": "/home/anna/runs"},
                      space_group_number=225, convergence_error=0.04,
                      warnings=["Spin-orbit coupling is left out."]),
        flagged_result("cao/100"),
        failed_result("zno-110"),
    )  # fmt: skip
    register(database, [measured])
    names = [document.identifier for document in results.find(database)]
    SharingRegister(database).change(names, OPEN | {"owner": "anna", "group": "lab"})
    return database


@pytest.fixture
def published(shared: Database, tmp_path: Path) -> Path:
    write(shared, tmp_path / "oxides")
    return tmp_path / "oxides"


def write(database: Database, out: Path, query: str = "", **options: Any) -> Selection:
    from surfalign.stores.publication.crate import publish

    return publish(database, query, out, describe, silent, **options)


@contextmanager
def empty_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("SURFALIGN_DATABASE_NAME", f"test_{uuid.uuid4().hex[:12]}")
    with connect(load_settings()) as opened:
        yield opened


def records(database: Database) -> list[dict[str, Any]]:
    found = results.find(database, sort="identifier", full=True)
    return [json.loads(json_line(without_names(document))) for document in found]


def test_a_data_set_comes_back_document_for_document(
    shared: Database, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = records(shared)
    with empty_database(monkeypatch) as restored:
        assert import_crate(restored, published, silent) == 4
        assert records(restored) == before
        assert "NaN" in json.dumps(before)
        register = SharingRegister(restored).get(["mgo-100"])
        assert (register["mgo-100"].licence, register["mgo-100"].owner) == ("CC-BY-4.0", "")
        with pytest.raises(FilledStoreError, match="holds 4 results"):
            import_crate(restored, published, silent)
        assert import_crate(restored, published, silent, merge=True) == 0


def test_nobody_and_no_machine_is_named_but_the_creators(published: Path) -> None:
    for path in published.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b'"lab"' not in content, path
            assert b"/home/anna" not in content, path
            assert b'"anna"' not in content, path


def test_the_crate_is_what_rocrate_reads(published: Path) -> None:
    from rocrate.rocrate import ROCrate

    crate = ROCrate(published)
    assert crate.name == "Oxides: a test"
    assert crate.license["name"] == "CC-BY-4.0"
    assert [person["name"] for person in crate.creator] == ["Author, Anna", "(:unav)"]
    named = {entity.id for entity in crate.data_entities}
    assert named == set(FILES) - {"ro-crate-metadata.json"}
    assert all((published / name).exists() for name in FILES)
    assert crate.get("data/surfaces.jsonl")["sha256"] == sha256_of(
        published / "data/surfaces.jsonl"
    )


def test_croissant_reads_the_table_of_levels(published: Path) -> None:
    import mlcroissant

    dataset = mlcroissant.Dataset(published / "croissant.json")
    issues = dataset.metadata.ctx.issues
    assert (list(issues.errors), list(issues.warnings)) == ([], [])
    rows = {row["surfaces/identifier"]: row for row in dataset.records("surfaces")}
    assert set(rows) == {b"mgo-100", b"cao/100", b"zno-110", *(k for k in rows if b"regis" in k)}
    assert rows[b"mgo-100"]["surfaces/ionization_potential"] == 7.15
    assert list(rows[b"mgo-100"]["surfaces/miller_index"]) == [1, 0, 0]


def test_datacite_takes_its_description(published: Path) -> None:
    record = json.loads((published / "datacite.json").read_text())
    assert record["rightsList"][0]["rightsIdentifier"] == "CC-BY-4.0"
    assert record["doi"] == "10.1000/example"
    schema = pytest.importorskip("datacite.schema45")
    schema.validator.validate(record)


def test_the_card_counts_and_names_what_is_wrong(published: Path) -> None:
    card = (published / "README.md").read_text()
    for told in (
        "# Oxides: a test",
        "4 results of 3 oxides",
        "Origin: 3 computed, 1 measured",
        "`slab_centre` of 1",
        "median 0.04 eV",
        "Spin-orbit coupling is left out. (1 results)",
        "ionization potential against",
        "[CC-BY-4.0](https://spdx.org/licenses/CC-BY-4.0)",
        "A. Author (2026)",
        "Levels of different methods do not compare",
    ):
        assert told in card


def test_structures_and_tables_hold_what_the_results_hold(published: Path) -> None:
    from ase.io import read
    from pymatgen.core import Structure

    assert len(read(published / "structures/slabs.extxyz", ":")) == 2
    files = sorted(path.name for path in (published / CIF).iterdir())
    assert files == ["cao_100-slab.cif", "mgo-100-bulk.cif", "mgo-100-slab.cif"]
    assert Structure.from_file(published / CIF / files[2]).reduced_formula == "MgO"
    assert len(list(read_documents(published))) == 4


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"visibility": "private"}, r"1 private \(mgo-100\)"),
        ({"visibility": "group"}, r"1 for a group alone \(mgo-100\)"),
        ({"embargo_until": datetime.now(UTC) + timedelta(days=9)}, r"1 under embargo \(mgo-100\)"),
        ({"licence": ""}, r"1 results have no licence \(mgo-100\)"),
        ({"licence": "CC0-1.0"}, "several licences"),
    ],
)
def test_what_may_not_be_published_is_named_and_counted(
    shared: Database, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    SharingRegister(shared).change(["mgo-100"], change)
    with pytest.raises(PublicationError, match=reason):
        write(shared, tmp_path / "oxides")
    assert list(tmp_path.iterdir()) == []
    if "licence" not in change:
        selection = write(shared, tmp_path / "oxides", only_public=True)
        assert (selection.number, sum(selection.left_out.values())) == (3, 1)
        assert b"mgo-100" not in (tmp_path / "oxides/data/surfaces.jsonl").read_bytes()


def test_an_embargo_that_is_over_hides_nothing(shared: Database, tmp_path: Path) -> None:
    shared.collection("sharing").update_many(
        {"kind": "result"}, {"$set": {"sharing.embargo_until": datetime(2020, 1, 1, tzinfo=UTC)}}
    )
    shared.collection("surface_levels").update_many(
        {}, {"$set": {"sharing.embargo_until": datetime(2020, 1, 1, tzinfo=UTC)}}
    )
    assert write(shared, tmp_path / "oxides").number == 4


def test_nothing_is_no_data_set(database: Database, tmp_path: Path) -> None:
    with pytest.raises(PublicationError, match="matches no result"):
        write(database, tmp_path / "oxides", "formula = MgO")
    store(database, passed_result())
    with pytest.raises(PublicationError, match="no result is public"):
        write(database, tmp_path / "oxides", only_public=True)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_stays(shared: Database, published: Path, tmp_path: Path) -> None:
    with pytest.raises(PublicationError, match="is there already"):
        write(shared, published)
    (tmp_path / "file").touch()
    with pytest.raises(UnwritableFileError):
        write(shared, tmp_path / "file" / "oxides")
    verify(published, silent)


def edited(published: Path) -> None:
    path = published / "data/surfaces.jsonl"
    path.write_text(path.read_text().replace("7.15", "7.25"))


def removed(published: Path) -> None:
    (published / "README.md").unlink()


def added(published: Path) -> None:
    (published / "structures/more.cif").touch()


def leading_out(published: Path) -> None:
    (published / CHECKSUMS).write_text(f"{0:064x}  ../outside\n")


def without_data(published: Path) -> None:
    shutil.rmtree(published / "data")
    lines = (published / CHECKSUMS).read_text().splitlines()
    kept = [line for line in lines if "  data/" not in line]
    (published / CHECKSUMS).write_text("\n".join(kept) + "\n")


def no_result(published: Path) -> None:
    path = published / "data/surfaces.jsonl"
    path.write_text('{"identifier": "a"}\n')
    lines = (published / CHECKSUMS).read_text().splitlines()
    kept = [line for line in lines if not line.endswith("surfaces.jsonl")]
    kept.append(f"{sha256_of(path)}  data/surfaces.jsonl")
    (published / CHECKSUMS).write_text("\n".join(kept) + "\n")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (edited, "data/surfaces.jsonl was changed"),
        (removed, "1 files are missing, e.g. README.md"),
        (added, "1 files were added, e.g. structures/more.cif"),
        (leading_out, "has the line"),
        (without_data, "data/surfaces.jsonl is not among its files"),
        (no_result, "holds what is no result"),
    ],
)
def test_a_file_that_was_tampered_with_is_named(
    published: Path,
    monkeypatch: pytest.MonkeyPatch,
    harm: Callable[[Path], None],
    told: str,
) -> None:
    harm(published)
    with empty_database(monkeypatch) as restored:
        with pytest.raises(DamagedArchiveError, match=told):
            import_crate(restored, published, silent)
        assert results.count(restored) == 0
        with pytest.raises(MissingFileError, match="holds no manifest"):
            verify(published / "structures", silent)


def test_of_many_results_exactly_those_are_published_that_everybody_may_see(
    database: Database, tmp_path: Path
) -> None:
    draw, now = random.Random(7), datetime.now(UTC)
    embargoes = [None, *(now + timedelta(minutes=minutes) for minutes in (-9000, -2, 2, 9000))]
    sharing = {
        f"result-{number:03d}": Sharing(
            owner=draw.choice(["", "anna"]),
            group=draw.choice(["", "lab"]),
            visibility=draw.choice(list(Visibility)),
            embargo_until=draw.choice(embargoes),
            licence="CC-BY-4.0",
        )
        for number in range(150)
    }
    lean = {"slab_structure": None, "potential": None, "settings": {}}
    store(database, *(passed_result(name, **lean) for name in [*sharing, "unsaid"]))
    SharingRegister(database).put(sharing)
    public = {name for name, record in sharing.items() if may_see(record, ANYONE, now)}
    assert 10 < len(public) < 100

    with pytest.raises(PublicationError) as caught:
        write(database, tmp_path / "oxides")
    numbers = [
        int(number) for number in re.findall(r"(\d+) (?:private|for|under)", str(caught.value))
    ]
    assert sum(numbers) == 151 - len(public)
    selection = write(database, tmp_path / "oxides", only_public=True)
    assert selection.number == len(public)
    assert {d.identifier for d in read_documents(tmp_path / "oxides")} == public
    for name in set(sharing) - public:
        for path in (tmp_path / "oxides").rglob("*"):
            assert not path.is_file() or name.encode() not in path.read_bytes()
