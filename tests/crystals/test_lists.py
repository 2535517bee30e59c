"""One rule for lists of crystals: names, structures, and what cannot be read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from pymatgen.core import Lattice, Structure

from surfalign.crystals.files import read_structure
from surfalign.crystals.lists import read_records
from surfalign.errors import InvalidStructureError
from surfalign.ml.data.candidate_surfaces import UNREADABLE, read_crystals
from surfalign.workflows.gap_validation import read_entries
from surfalign.workflows.planning.crystals import find_candidates
from surfalign.workflows.planning.survey import PlanSettings, examine


def magnesia(a: float = 4.2) -> dict[str, Any]:
    structure = Structure.from_spacegroup(
        225, Lattice.cubic(a), ["Mg", "O"], [[0, 0, 0], [0.5] * 3]
    )
    return dict(structure.as_dict())


def written(path: Path, content: Any) -> Path:
    text = json.dumps(content).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ([magnesia(), magnesia()], ["1", "2"]),
        ([{"structure": magnesia(), "mp_id": "m", "identifier": "i", "name": "n"}], ["m"]),
        ([{"initial": magnesia(), "id": 7, "name": "n"}], ["7"]),
        ([{"structure": magnesia(), "name": "n", "mp_id": None}], ["n"]),
        ({"rock": magnesia(), "salt": {"structure": magnesia()}}, ["rock", "salt"]),
        (magnesia(), ["list"]),
        ({"mp_id": "m", "structure": magnesia()}, ["list"]),
    ],
)
def test_an_entry_is_called_by_its_first_name_or_its_place(
    content: Any, names: list[str], tmp_path: Path
) -> None:
    records = read_records(written(tmp_path / "list.json.gz", content))
    assert [record.name for record in records] == names
    assert len(records[0].read_structure()) == 8


def test_the_structure_is_the_pbesol_one_where_there_are_several(tmp_path: Path) -> None:
    keys = ["structure_pbesol", "structure", "initial", "structure_a", "structure_b"]
    entry = {key: magnesia(4.0 + i / 10) for i, key in enumerate(keys)}
    for i, key in enumerate(keys):
        (record,) = read_records(written(tmp_path / "list.json", [entry]))
        assert record.read_structure().lattice.a == pytest.approx(4.0 + i / 10)
        del entry[key]


def test_a_structure_may_be_a_text(tmp_path: Path) -> None:
    entry = {"structure_pbesol": "none", "structure": json.dumps(magnesia())}
    (record,) = read_records(written(tmp_path / "list.json", [entry]))
    assert record.read_structure().composition.reduced_formula == "MgO"


def test_every_command_reads_the_same_structure_under_the_same_name(tmp_path: Path) -> None:
    entry = {"name": "a", "structure": magnesia(4.21), "structure_pbesol": magnesia(4.1)}
    path = written(tmp_path / "oxides.json", [entry, magnesia(4.1)])
    (tmp_path / "one").mkdir()
    alone = written(tmp_path / "one" / "oxide.json", entry)
    planned = list(find_candidates([str(path)]))
    learned, _ = read_crystals(tmp_path)
    validated = read_entries(path)
    assert [c.source for c in planned] == ["oxides:a", "oxides:2"]
    assert [c.source for c in learned] == ["file:oxide.json", "oxides:a", "oxides:2"]
    assert [e.identifier for e in validated] == ["a", "2"]
    structures = [
        *(Structure.from_dict(c.structure) for c in planned),
        *(c.structure for c in learned),
        *(e.structure for e in validated),
        read_structure(alone),
    ]
    assert [s.lattice.a for s in structures] == pytest.approx([4.1] * 8)


BROKEN = [
    {"mp_id": "none", "formula": "MgO"},
    {"mp_id": "bad", "structure": {"lattice": {}, "sites": [{}]}},
    {"mp_id": "good", "structure": magnesia()},
]


def test_an_unreadable_entry_is_named_and_does_not_hide_the_others(tmp_path: Path) -> None:
    path = written(tmp_path / "oxides.json", BROKEN)
    learned, unreadable = read_crystals(tmp_path)
    assert [c.source for c in learned] == ["oxides:good"]
    assert [text.split(" (")[0] for text in unreadable[UNREADABLE]] == [
        "oxides.json: the entry none",
        "oxides.json: the entry bad",
    ]
    examined = [examine(c, PlanSettings()) for c in find_candidates([str(path)])]
    assert examined[:2] == ["unreadable", "unreadable"]
    assert not isinstance(examined[2], str)
    with pytest.raises(InvalidStructureError, match=r"the entry none \(oxides:none\)"):
        read_entries(path)
    assert [e.identifier for e in read_entries(path, ["good"])] == ["good"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], r"holds no structure \(its entries: none\)"),
        ({"a": 1}, r"holds no structure \(its entries: a\)"),
        (BROKEN[:1], r"holds no structure \(its entries: none\)"),
        (3, "holds no structure"),
    ],
)
def test_a_file_without_any_structure_is_refused(
    content: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidStructureError, match=message):
        read_records(written(tmp_path / "list.json", content))


@pytest.mark.parametrize("content", [b"", b"{", gzip.compress(b"[1, 2, 3]", mtime=0)[:-9]])
def test_a_file_that_is_not_whole_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "list.json.gz"
    path.write_bytes(content)
    with pytest.raises(InvalidStructureError, match=r"list\.json\.gz cannot be read"):
        read_records(path)


def test_two_entries_of_one_name_cannot_be_validated(tmp_path: Path) -> None:
    entry = {"mp_id": "m", "structure": magnesia()}
    with pytest.raises(InvalidStructureError, match="two entries called m"):
        read_entries(written(tmp_path / "list.json", [entry, entry]))
