"""Files of slabs: labels, filters, and what is wrong with a bad file."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest
from learning_data import slab_entries, toy_dataset, write_slab_file

import surfalign
from surfalign.errors import (
    DamagedFileError,
    EmptyDatasetError,
    InvalidLabelError,
    LearnerError,
    MissingFileError,
    MixedLevelsError,
    MixedUnitsError,
    UnknownElementError,
)
from surfalign.ml.data.from_slab_files import (
    INSANE_VACUUM,
    JARVIS,
    NO_LABEL,
    SMALL_GAP,
    freeze_slab_file,
    read_slab_file,
)
from surfalign.ml.data.label_quality import METALLIC_WEIGHT


@pytest.fixture
def entries() -> list[dict[str, Any]]:
    return slab_entries(toy_dataset(4))


def test_labels_and_reasons(entries: list[dict[str, Any]], tmp_path: Path) -> None:
    entries[0] |= {"passes_filter": 0}
    entries[1] |= {"slab_gap_ev": 0.1}
    del entries[2]["ip_ev"], entries[2]["ea_ev"]
    dataset = freeze_slab_file(write_slab_file(entries, tmp_path / "slabs.json.gz"), min_gap=0.3)
    assert [r.name for r in dataset.records] == [entries[3]["name"]]
    assert dataset.records[0].value("ionization_potential") == entries[3]["ip_ev"]
    assert dataset.left_out == {
        INSANE_VACUUM: [entries[0]["name"]],
        SMALL_GAP: [entries[1]["name"]],
        NO_LABEL: [entries[2]["name"]],
    }


def test_near_metals_weigh_less(entries: list[dict[str, Any]], tmp_path: Path) -> None:
    entries[0] |= {"slab_gap_ev": 0.1}
    dataset = freeze_slab_file(write_slab_file(entries, tmp_path / "slabs.json.gz"))
    weights = {r.name: {label.weight for label in r.labels} for r in dataset.records}
    assert weights.pop(entries[0]["name"]) == {METALLIC_WEIGHT}
    assert list(weights.values()) == [{1.0}] * 3


def test_slabs_without_labels_can_be_predicted(
    entries: list[dict[str, Any]], tmp_path: Path
) -> None:
    path = tmp_path / "plain.json"
    path.write_text(json.dumps([{k: e[k] for k in ("name", "initial")} for e in entries]))
    records = read_slab_file(path)
    assert [record.name for record in records] == [entry["name"] for entry in entries]
    assert not any(record.labels for record in records)


def test_stated_units_are_converted(entries: list[dict[str, Any]], tmp_path: Path) -> None:
    for unit, value in (("eV", 7.0), ("meV", 7000.0)):
        entry = {k: entries[0][k] for k in ("name", "initial")}
        entry |= {"ionization_potential": value, "units": {"ionization_potential": unit}}
        (record,) = read_slab_file(write_slab_file([entry], tmp_path / "slabs.json.gz"))
        assert record.value("ionization_potential") == pytest.approx(7.0)


def test_truncated_file(entries: list[dict[str, Any]], tmp_path: Path) -> None:
    path = write_slab_file(entries, tmp_path / "slabs.json.gz")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DamagedFileError, match="cannot be read"):
        read_slab_file(path)
    path.write_bytes(gzip.compress(b'{"a": 1}'))
    with pytest.raises(DamagedFileError, match="no list"):
        read_slab_file(path)
    path.write_bytes(b"[]")
    with pytest.raises(EmptyDatasetError, match="no slab"):
        read_slab_file(path)
    with pytest.raises(MissingFileError, match="does not exist"):
        read_slab_file(tmp_path / "absent.json")


def test_bad_entries_are_named(entries: list[dict[str, Any]], tmp_path: Path) -> None:
    def read(**changes: Any) -> None:
        bad = [*entries[1:], entries[0] | changes]
        read_slab_file(write_slab_file(bad, tmp_path / "slabs.json.gz"))

    name = entries[0]["name"]
    with pytest.raises(InvalidLabelError, match=rf"ionization_potential of {name} is nan"):
        read(ip_ev=math.nan)
    with pytest.raises(InvalidLabelError, match=r"'7\.1'"):
        read(ip_ev="7.1")
    with pytest.raises(MixedUnitsError, match="'kcal/mol'"):
        read(band_gap=3.0, units={"band_gap": "kcal/mol"})
    with pytest.raises(LearnerError, match="no readable structure"):
        read(initial={"lattice": {}})
    with pytest.raises(LearnerError, match="has no name"):
        read(name=None)
    with pytest.raises(LearnerError, match="two slabs named"):
        read(name=entries[1]["name"])
    unknown = json.loads(json.dumps(entries[0]["initial"]).replace('"Ba"', '"Qq"'))
    with pytest.raises(UnknownElementError, match="Qq"):
        read(initial=unknown)


def test_the_reference_slabs(shared_data: Path) -> None:
    dataset = freeze_slab_file(shared_data / "surfaces" / "jarvis_slabs_dev.json.gz", min_gap=0.3)
    assert len(dataset.records) == 179
    assert {k: len(v) for k, v in dataset.left_out.items()} == {INSANE_VACUUM: 92, SMALL_GAP: 195}
    assert dataset.fidelities == {JARVIS.key: JARVIS}


def test_labels_are_of_the_method_that_the_file_states_and_of_jarvis_by_its_numbers(
    entries: list[dict[str, Any]], tmp_path: Path
) -> None:
    entries[0] |= {"functional": "hse06", "method": "vasp, as cut", "origin": "thesis"}
    entries[1] |= {"jid": "JVASP-1372"}
    entries[2] |= {"jid": "JVASP-1372", "functional": "pbe"}
    dataset = freeze_slab_file(write_slab_file(entries, tmp_path / "slabs.json.gz"))
    found = {r.name: {label.fidelity for label in r.labels} for r in dataset.records}
    assert [found[entry["name"]] for entry in entries] == [
        {"thesis/hse06/vasp, as cut"},
        {"jarvis/optb88vdw/vasp, relaxed slab"},
        {"slab-file/pbe/unstated"},
        {"slab-file/unstated/unstated"},
    ]
    assert set(dataset.fidelities) == set.union(*found.values())
    with pytest.raises(LearnerError, match="entry 1 has 3 as functional"):
        freeze_slab_file(
            write_slab_file([entries[0] | {"functional": 3}], tmp_path / "slabs.json.gz")
        )


def test_a_crystal_among_slabs_is_refused_by_name(
    entries: list[dict[str, Any]], tmp_path: Path
) -> None:
    entries[1]["initial"] = surfalign.load_crystal("MgO").structure.as_dict()
    path = write_slab_file(entries, tmp_path / "slabs.json.gz")
    with pytest.raises(MixedLevelsError, match=f"{entries[1]['name']} is a crystal"):
        read_slab_file(path)
