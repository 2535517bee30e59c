"""Frozen data sets: what goes in comes out, and nothing damaged comes in."""

from __future__ import annotations

import gzip
import math
from dataclasses import replace
from pathlib import Path

import pytest
from learning_data import TOY, rocksalt_slab, toy_dataset, toy_record

from surfalign.errors import (
    DamagedFileError,
    EmptyDatasetError,
    InvalidLabelError,
    LearnerError,
    MixedUnitsError,
    ModelVersionError,
    UnknownElementError,
)
from surfalign.ml.data.datasets import freeze, merge, read_dataset, write_dataset
from surfalign.ml.data.records import (
    Label,
    SetLabel,
    Statistic,
    convert,
    surface_record,
)


def set_label(*members: str) -> SetLabel:
    return SetLabel(
        name="ionization_potential", value=7.0, unit="eV", fidelity=TOY.key, members=members,
        statistic=Statistic.MEDIAN, formula="MgO", source="test:1",
    )  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "toy.dataset.json.gz"


def test_a_data_set_survives_its_file(path: Path) -> None:
    records = [toy_record("Mg", "O"), toy_record("Ca", "O")]
    dataset = freeze(
        "two", records, set_labels=[set_label("MgO-4", "CaO-4")], fidelities=[TOY],
        left_out={"failed: ConvergenceError": ["ZnO"]}, description="two slabs",
    )  # fmt: skip
    write_dataset(dataset, path)
    read = read_dataset(path)
    assert read.digest == dataset.digest
    assert read.set_labels == dataset.set_labels
    assert read.fidelities == {TOY.key: TOY}
    assert read.left_out == {"failed: ConvergenceError": ["ZnO"]}
    assert [r.labels for r in read.records] == [r.labels for r in dataset.records]
    assert read.records[0].structure == dataset.records[0].structure
    assert read.summary()["left_out"] == {"failed: ConvergenceError": 1}
    assert read.units == {"ionization_potential": "eV", "electron_affinity": "eV"}


def test_the_digest_is_that_of_the_content(path: Path) -> None:
    dataset = toy_dataset(4)
    shuffled = freeze("other name", list(reversed(dataset.records)), fidelities=[TOY])
    assert shuffled.digest == dataset.digest
    assert toy_dataset(5).digest != dataset.digest
    write_dataset(dataset, path)
    first = path.read_bytes()
    write_dataset(dataset, path)
    assert path.read_bytes() == first


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_refused(path: Path, share: float) -> None:
    write_dataset(toy_dataset(4), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DamagedFileError, match="no whole data set"):
        read_dataset(path)


def test_an_edited_file_is_refused(path: Path) -> None:
    write_dataset(toy_dataset(4), path)
    text = gzip.decompress(path.read_bytes()).decode()
    path.write_bytes(gzip.compress(text.replace('"weight":1.0', '"weight":2.0', 1).encode()))
    with pytest.raises(DamagedFileError, match="another digest"):
        read_dataset(path)
    lines = text.splitlines(keepends=True)
    path.write_bytes(gzip.compress("".join(lines[:-1]).encode()))
    with pytest.raises(DamagedFileError, match="lines"):
        read_dataset(path)


def test_another_format_is_named(path: Path) -> None:
    write_dataset(toy_dataset(4), path)
    text = gzip.decompress(path.read_bytes()).decode()
    path.write_bytes(gzip.compress(text.replace('"version":1}', '"version":99}', 1).encode()))
    with pytest.raises(ModelVersionError, match="format 99"):
        read_dataset(path)


def test_no_label_is_an_empty_data_set() -> None:
    bare = surface_record("bare", rocksalt_slab("Mg", "O"), "test:bare")
    with pytest.raises(EmptyDatasetError, match="3 left out: failed"):
        freeze("empty", [bare], left_out={"failed": ["a", "b", "c"]})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_label_is_a_finite_number(value: float) -> None:
    with pytest.raises(InvalidLabelError, match="a finite number"):
        Label(name="ionization_potential", value=value, unit="eV", fidelity=TOY.key)


def test_a_known_property_has_its_own_unit() -> None:
    with pytest.raises(MixedUnitsError, match="'meV'"):
        Label(name="ionization_potential", value=7000.0, unit="meV", fidelity=TOY.key)
    assert convert(7000.0, "meV", "ionization_potential") == pytest.approx(7.0)
    assert convert(100.0, "meV/angstrom^2", "surface_energy") == pytest.approx(1.602, abs=1e-3)
    with pytest.raises(MixedUnitsError, match="'furlong'"):
        convert(1.0, "furlong", "band_gap")


def test_two_units_of_one_property_are_refused() -> None:
    labels = [
        Label(name="hardness", value=1.0, unit=unit, fidelity=TOY.key) for unit in ("GPa", "Mohs")
    ]
    records = [
        surface_record(unit, rocksalt_slab("Mg", "O"), "test:1", labels=[label])
        for unit, label in zip(("a", "b"), labels, strict=True)
    ]
    with pytest.raises(MixedUnitsError, match="'GPa' and in 'Mohs'"):
        freeze("mixed", records, fidelities=[TOY])


def test_names_members_and_fidelities_must_be_there() -> None:
    record = toy_record("Mg", "O")
    with pytest.raises(LearnerError, match="two surfaces are named 'MgO-4'"):
        freeze("double", [record, record], fidelities=[TOY])
    with pytest.raises(LearnerError, match="not there: 'nothing'"):
        freeze("set", [record], set_labels=[set_label("nothing")], fidelities=[TOY])
    with pytest.raises(LearnerError, match="not described"):
        freeze("fidelity", [record])


def test_an_unknown_element_in_a_file_is_named(path: Path) -> None:
    write_dataset(toy_dataset(2), path)
    import hashlib
    import json

    header, *lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    lines = [line.replace('"Mg"', '"Xx"') for line in lines]
    head = json.loads(header) | {"digest": hashlib.sha256("\n".join(lines).encode()).hexdigest()}
    path.write_bytes(gzip.compress("\n".join([json.dumps(head), *lines]).encode()))
    with pytest.raises(UnknownElementError, match="'Xx'"):
        read_dataset(path)


def test_merging_keeps_each_surface_once_and_joins_labels() -> None:
    first, second = toy_dataset(3), toy_dataset(5)
    merged = merge("both", [first, second])
    assert merged.digest == second.digest
    energy = Label(name="surface_energy", value=1.0, unit="J/m^2", fidelity=TOY.key)
    extra = freeze("extra", [replace(first.records[0], labels=(energy,))], fidelities=[TOY])
    both = merge("both", [first, extra]).records[0]
    assert {label.name for label in both.labels} == {
        "ionization_potential", "electron_affinity", "surface_energy",
    }  # fmt: skip
    other = replace(first.records[0], structure=rocksalt_slab("Ba", "O"))
    with pytest.raises(LearnerError, match="two different surfaces"):
        merge("clash", [first, freeze("x", [other], fidelities=[TOY])])
