"""Compositions that look as if they should exist: read, completed, ranked, and told what that is worth."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from learning_data import toy_dataset
from pymatgen.core import Composition
from typer.testing import CliRunner

from surfalign.errors import (
    ConfigurationError,
    DamagedFileError,
    EmptyDatasetError,
    LearnerError,
    MissingFileError,
)
from surfalign.launchers.cli.main import app
from surfalign.ml.data.datasets import write_dataset
from surfalign.ml.recommendation.completion import CompositionTensor, completed, popularity
from surfalign.ml.recommendation.compositions import (
    NOT_READ,
    NOT_TERNARY,
    TOO_LARGE,
    TernaryOxide,
    known_oxides,
    oxidation_states,
    read_formulas,
)
from surfalign.ml.recommendation.ranking import Validation, recommend, validate

runner = CliRunner()
#: A world with one rule: every alkaline earth makes ABO3 with every metal of four, A2BO4 with every other one.
EARTHS = ("Mg", "Ca", "Sr", "Ba")
METALS = ("Ti", "Zr", "Hf", "Sn")
ALKALIS = ("Li", "Na", "K", "Rb", "Cs")
ACIDS = ("Nb", "Ta", "V", "Sb")
WORLD = (
    [f"{a}{b}O3" for a in EARTHS for b in METALS]
    + [f"{a}2{b}O4" for a in EARTHS for b in METALS]
    + [f"{a}{b}O3" for a in ALKALIS for b in ACIDS]
    + [f"{a}3{b}O4" for a in ALKALIS for b in ACIDS]
)


def test_formulas_are_read_in_any_order_and_multiple() -> None:
    known = known_oxides(["SrTiO3", "TiSrO3", "Sr2Ti2O6", "Ca(NbO3)2"])
    assert known.oxides == (
        TernaryOxide(("Ca", "Nb"), (1, 2), 6),
        TernaryOxide(("Sr", "Ti"), (1, 1), 3),
    )
    assert [oxide.formula for oxide in known.oxides] == ["CaNb2O6", "SrTiO3"]


def test_what_is_no_oxide_of_two_cations_is_counted_by_reason() -> None:
    known = known_oxides(
        ["SrTiO3", "MgO", "CaF2", "KTaOF3", "QTiO3", "Sr(Ti", "", "SrTiO2.9", "Si20Al3O46"]
    )
    assert known.left_out == {NOT_TERNARY: 4, NOT_READ: 3, TOO_LARGE: 1}


def test_a_list_without_any_is_refused() -> None:
    with pytest.raises(EmptyDatasetError, match="no oxide of two cations"):
        known_oxides(["MgO"])
    with pytest.raises(EmptyDatasetError, match="it is empty"):
        known_oxides([])


def test_candidates_are_neutral_new_and_named_once() -> None:
    tensor = CompositionTensor.of(known_oxides(["SrTiO3", "Ba2ZrO4", "NaNbO3"]).oxides)
    found = [tensor.oxide(place) for place in tensor.candidates]
    formulas = [oxide.formula for oxide in found]
    assert len(set(formulas)) == len(formulas)
    assert {"BaTiO3", "SrZrO3", "Sr2TiO4", "Ba2TiO4"} <= set(formulas)
    assert not {"SrTiO3", "Ba2ZrO4", "NaNbO3"} & set(formulas)
    for oxide in found:
        (first, second), (n_first, n_second) = oxide.cations, oxide.numbers
        assert any(
            n_first * p + n_second * q == 2 * oxide.n_oxygen
            for p in oxidation_states(first)
            for q in oxidation_states(second)
        ), oxide


def test_the_completed_tensor_does_not_depend_on_the_order_of_cations() -> None:
    tensor = CompositionTensor.of(known_oxides(WORLD).oxides)
    filled = completed(tensor, (8, 8, 4))
    column = {numbers: k for k, numbers in enumerate(tensor.stoichiometries)}
    for (i, _), (j, _) in combinations(enumerate(tensor.elements), 2):
        for (first, second, oxygen), k in column.items():
            swapped = column[second, first, oxygen]
            assert filled[i, j, k] == pytest.approx(filled[j, i, swapped], abs=1e-6)


def test_a_full_rank_copies_the_list_and_none_is_refused() -> None:
    tensor = CompositionTensor.of(known_oxides(WORLD).oxides)
    assert np.allclose(completed(tensor, (99, 99, 99)), tensor.listed, atol=1e-8)
    with pytest.raises(LearnerError, match="three positive numbers"):
        completed(tensor, (0, 1, 1))


def test_popularity_multiplies_how_often_each_side_is_listed() -> None:
    tensor = CompositionTensor.of(known_oxides(["SrTiO3", "BaTiO3", "SrZrO3"]).oxides)
    place = [tensor.elements.index(symbol) for symbol in ("Ba", "Zr")]
    k = tensor.stoichiometries.index((1, 1, 3))
    # Ba once, Zr once, and 1:1:3 six times: three oxides in both orders.
    assert popularity(tensor)[place[0], place[1], k] == 6


def test_what_was_taken_from_a_world_with_a_rule_is_recommended_first() -> None:
    missing = {"SrZrO3", "Ba2TiO4", "KTaO3", "Na3VO4"}
    known = [f for f in WORLD if Composition(f).reduced_formula not in missing]
    first = [one.oxide.formula for one in recommend(known_oxides(known).oxides, rank=(6, 6, 6))]
    assert set(first[:4]) == missing


def test_hidden_oxides_are_found_far_more_often_than_by_chance() -> None:
    oxides = known_oxides(WORLD).oxides
    validation = validate(oxides, seeds=(1, 2))
    assert validation.n_hidden == round(0.2 * len(oxides))
    row = validation.enrichment[0]
    assert row.found > 2 * row.by_chance
    assert row.found <= validation.n_findable
    assert validation == validate(oxides, seeds=(1, 2))
    assert isinstance(validation, Validation)
    assert json.loads(json.dumps(validation.as_dict()))["enrichment"][0]["over_chance"] > 2


def test_too_few_oxides_are_refused() -> None:
    with pytest.raises(EmptyDatasetError, match="at least 25"):
        recommend(known_oxides(["SrTiO3", "BaTiO3"]).oxides)


def test_lists_come_a_line_each_or_as_a_column(tmp_path: Path) -> None:
    lines, table, other = tmp_path / "a.txt", tmp_path / "b.csv", tmp_path / "c.csv"
    lines.write_text("formula\nSrTiO3\n\n MgO \n")
    table.write_text("id,formula\n1,SrTiO3\n2,MgO\n")
    other.write_text("id,name\n1,SrTiO3\n")
    assert read_formulas(lines) == read_formulas(table) == ["SrTiO3", "MgO"]
    with pytest.raises(DamagedFileError, match="id, name"):
        read_formulas(other)
    with pytest.raises(MissingFileError):
        read_formulas(tmp_path / "none.csv")
    other.write_bytes(b"\xff\xfe\x00SrTiO3")
    with pytest.raises(DamagedFileError, match="no text"):
        read_formulas(other)


def test_the_command_filters_and_writes_json(tmp_path: Path) -> None:
    source, target = tmp_path / "known.txt", tmp_path / "found.json"
    source.write_text("\n".join(f for f in WORLD if f not in ("SrZrO3", "BaSnO3")))
    result = runner.invoke(
        app,
        ["recommend", str(source), "--only", "Sr,Zr,Ba,Sn", "--without", "Sn", "--json", str(target)],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    told = json.loads(target.read_text())
    assert told["recommended"][0]["formula"] == "SrZrO3"
    assert not any("Sn" in row["formula"] for row in told["recommended"])
    assert "oxides of two cations in the list" in result.output


def test_levels_are_estimated_from_the_formula_alone(tmp_path: Path) -> None:
    source, data, target = tmp_path / "known.txt", tmp_path / "d.json.gz", tmp_path / "found.json"
    source.write_text("\n".join(WORLD))
    dataset = toy_dataset()
    write_dataset(dataset, data)
    options = ["--data", str(data), "--limit", "3", "--json", str(target)]
    result = runner.invoke(app, ["recommend", str(source), *options])
    assert result.exit_code == 0, result.output
    seen = {e.symbol for record in dataset.records for e in record.structure.composition.elements}
    for row in json.loads(target.read_text())["recommended"]:
        assert row["electron_affinity"] <= row["ionization_potential"]
        assert min(row["standard_deviation"].values()) > 0
        elements = {e.symbol for e in Composition(row["formula"]).elements}
        assert set(row["unknown_elements"]) == elements - seen


def test_the_command_refuses_what_is_no_element(tmp_path: Path) -> None:
    source = tmp_path / "known.txt"
    source.write_text("\n".join(WORLD))
    result = runner.invoke(app, ["recommend", str(source), "--without", "Pb,Xx"])
    assert isinstance(result.exception, ConfigurationError)
    assert re.search("--without names Xx", str(result.exception))
