"""Files of results: each format reads back, and streams."""

from __future__ import annotations

import csv
import gc
import json
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import ase.io
import pytest
from stored_results import failed_result, flagged_result, passed_result, slab

from surfalign.errors import ConfigurationError, MissingDependencyError
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.query.exports import ExportFormat, export


@pytest.fixture
def documents() -> list[SurfaceLevelsDocument]:
    return [passed_result("mgo"), flagged_result("cao"), failed_result("zno")]


def test_csv(documents: list[SurfaceLevelsDocument], tmp_path: Path) -> None:
    file = tmp_path / "levels.csv"

    assert export(documents, file, ExportFormat.CSV) == 3

    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["identifier"] for row in rows] == ["mgo", "cao", "zno"]
    assert float(rows[0]["ionization_potential"]) == 7.15
    assert rows[0]["miller_index"] == "1 0 0"
    assert rows[0]["relaxed"] == "true"
    assert rows[1]["failed_checks"] == "slab_centre"
    assert rows[2]["ionization_potential"] == ""
    assert rows[2]["error.message"] == "SCF stopped at [step 3]"
    assert "slab_structure" not in rows[0]


def test_json(documents: list[SurfaceLevelsDocument], tmp_path: Path) -> None:
    file = tmp_path / "levels.json"

    assert export(documents, file, ExportFormat.JSON) == 3

    records = json.loads(file.read_text())
    assert [record["identifier"] for record in records] == ["mgo", "cao", "zno"]
    assert SurfaceLevelsDocument.model_validate(records[0]) == documents[0]


def test_parquet(documents: list[SurfaceLevelsDocument], tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "levels.parquet"

    assert export(documents, file, ExportFormat.PARQUET) == 3

    table = pq.read_table(file)
    rows = table.to_pylist()
    assert rows[0]["ionization_potential"] == 7.15
    assert rows[0]["miller_index"] == [1, 0, 0]
    assert rows[0]["relaxed"] is True
    assert rows[1]["failed_checks"] == ["slab_centre"]
    assert rows[2]["band_gap"] is None
    assert rows[2]["error.error"] == "ConvergenceError"
    metadata = table.schema.field("surface_energy").metadata
    assert metadata[b"unit"] == b"J/m^2"


def test_parquet_without_pyarrow_names_the_command(
    documents: list[SurfaceLevelsDocument], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(MissingDependencyError, match=r"pip install 'surfalign\[parquet\]'"):
        export(documents, tmp_path / "levels.parquet", ExportFormat.PARQUET)
    assert list(tmp_path.iterdir()) == []


def test_extxyz(documents: list[SurfaceLevelsDocument], tmp_path: Path) -> None:
    file = tmp_path / "slabs.extxyz"

    assert export(documents, file, ExportFormat.EXTXYZ) == 2  # the failed one has no slab

    mgo, cao = ase.io.read(file, index=":")
    assert mgo.info["ionization_potential"] == 7.15
    assert mgo.info["identifier"] == "mgo"
    assert mgo.info["miller_index"].tolist() == [1, 0, 0]
    assert cao.info["failed_checks"] == "slab_centre"
    assert mgo.get_chemical_symbols() == ["Mg", "O"]
    assert mgo.positions == pytest.approx(slab().cart_coords, abs=1e-6)
    assert mgo.cell.cellpar() == pytest.approx([2.98, 2.98, 20, 90, 90, 90])


@pytest.mark.parametrize("format", ExportFormat)
def test_nothing_to_export_makes_a_readable_file(format: ExportFormat, tmp_path: Path) -> None:
    file = tmp_path / "empty"

    assert export([], file, format) == 0

    readers: dict[ExportFormat, Callable[[], bool]] = {
        ExportFormat.CSV: lambda: file.read_text().startswith("identifier,state,formula"),
        ExportFormat.JSON: lambda: json.loads(file.read_text()) == [],
        ExportFormat.PARQUET: lambda: file.read_bytes().startswith(b"PAR1"),
        ExportFormat.EXTXYZ: lambda: file.read_text() == "",
    }
    assert readers[format]()


@pytest.mark.parametrize("format", [f for f in ExportFormat if f is not ExportFormat.PARQUET])
def test_results_stream(format: ExportFormat, tmp_path: Path) -> None:
    """Not more than a few results are alive at a time, however many are written."""
    alive: weakref.WeakSet[SurfaceLevelsDocument] = weakref.WeakSet()
    at_the_end = []

    class Tracked(SurfaceLevelsDocument):
        def __hash__(self) -> int:
            return id(self)

    def stream() -> Iterator[SurfaceLevelsDocument]:
        for number in range(8):
            document = Tracked.model_validate(passed_result(str(number)).model_dump())
            alive.add(document)
            yield document
        gc.collect()
        at_the_end.append(len(alive))

    assert export(stream(), tmp_path / "file", format) == 8
    assert at_the_end[0] <= 3


def test_an_interrupted_export_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "levels.csv"
    file.write_text("old")

    def broken() -> Iterator[SurfaceLevelsDocument]:
        yield passed_result()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        export(broken(), file, ExportFormat.CSV)

    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written: No such file or directory"):
        export([], tmp_path / "absent" / "levels.csv", ExportFormat.CSV)
    with pytest.raises(ConfigurationError, match="cannot be written: Is a directory"):
        export([], tmp_path, ExportFormat.CSV)
    assert list(tmp_path.iterdir()) == []
