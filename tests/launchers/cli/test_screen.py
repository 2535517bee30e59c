"""``surfalign screen`` against a real database, a file, and a model trained here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from learning_data import slab_entries, toy_dataset, write_slab_file
from stored_results import failed_result, flagged_result, passed_result, record, store
from typer.testing import CliRunner, Result

from surfalign.errors import (
    ConfigurationError,
    DocumentNotFoundError,
    PhysicsInputError,
    QuerySyntaxError,
)
from surfalign.launchers.cli.main import app
from surfalign.launchers.figures.screening import screening_figure
from surfalign.stores.database import Database
from surfalign.stores.screening.candidates import from_results
from surfalign.stores.screening.evaluation import screen
from surfalign.stores.screening.question import Terms, ask
from surfalign.stores.screening.rules import load_rule


def invoke(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["screen", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def oxide(identifier: str, **fields: object):
    return passed_result(identifier, convergence_error=0.03, **fields)


TITANATE = oxide(
    "srtio3", formula="SrTiO3", surface_name="SrTiO3(100)-A", ionization_potential=6.9,
    electron_affinity=3.5, dielectric_constant=5.6,
)  # fmt: skip


@pytest.fixture
def stored(database: Database) -> Database:
    store(database, TITANATE, oxide("mgo"), flagged_result("cao"), failed_result("zno"))
    return database


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "levels.json"
    results = [TITANATE, oxide("mgo"), flagged_result("cao")]
    path.write_text(json.dumps([record(result) for result in results], default=str))
    return path


def test_stored_results_are_ranked_and_what_was_left_out_is_said(stored: Database) -> None:
    result = invoke("water-splitting", "--ph", 7)
    assert result.stdout.index("SrTiO3(100)-A") < result.stdout.index("MgO(100)-A")
    assert "gap 7.90 eV, 3.90 above 4.00 eV" in result.stdout
    assert "CaO" not in result.stdout
    assert "1 flagged" in result.stderr
    assert "1 failed" in result.stderr
    assert "conduction band above H+/H2 (-4.03 eV)" in result.stderr


def test_flagged_results_are_used_when_asked_for_and_marked(file: Path) -> None:
    shown = invoke("water-splitting", "--results", file, "--flagged").stdout
    (row,) = [line for line in shown.splitlines() if "CaO(100)-A" in line]
    assert "slab_centre" in row


def test_the_json_is_ranked_and_says_everything(file: Path) -> None:
    found = json.loads(
        invoke("water-splitting", "--ph", 7, "--in-water", "--results", file, "--json", "-").stdout
    )
    assert [surface["name"] for surface in found["surfaces"]] == ["SrTiO3(100)-A", "MgO(100)-A"]
    assert found["surfaces"][0]["ionization_potential"] == pytest.approx(6.4)
    assert found["edge_shift"] == 0.5
    assert found["terms"]["hydrogen_electrode"] == -4.44
    assert found["left_out"][0]["reason"].startswith("flagged")


def test_the_shift_in_water_is_printed(file: Path) -> None:
    assert (
        "edges moved by +0.5 eV"
        in invoke("water-splitting", "--in-water", "--results", file).stderr
    )
    assert "edges moved" not in invoke("water-splitting", "--results", file).stderr


def test_the_hydrogen_electrode_of_the_settings_is_used_and_kept(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURFALIGN_HYDROGEN_ELECTRODE", "-4.28")
    found = json.loads(invoke("water-splitting", "--results", file, "--json", "-").stdout)
    assert found["levels"]["H+/H2"] == -4.28
    assert found["terms"]["hydrogen_electrode"] == -4.28


def test_formulas_elements_and_queries_choose_the_rows(file: Path) -> None:
    shown = invoke("water-splitting", "--by", "formula", "--results", file, "--flagged").stdout
    assert [name in shown for name in ("SrTiO3", "MgO", "CaO")] == [True, True, True]
    shown = invoke("water-splitting", "--without", "Sr,Ca", "--results", file, "--flagged").stdout
    assert "SrTiO3" not in shown
    assert "MgO" in shown
    shown = invoke("water-splitting", "--where", "formula = SrTiO3", "--results", file).stdout
    assert "MgO" not in shown


def test_a_limit_shows_the_first_rows(file: Path) -> None:
    shown = invoke("water-splitting", "--results", file, "--limit", 1).stdout
    assert "SrTiO3" in shown
    assert "MgO" not in shown


def test_the_rules_are_listed() -> None:
    shown = invoke("--list").stdout
    assert "water-splitting" in shown
    assert "conduction band above H+/H2 by margin" in shown


def test_a_rule_of_ones_own_is_a_file(file: Path, tmp_path: Path) -> None:
    rule = tmp_path / "mine.yaml"
    rule.write_text(
        "name: mine\ntitle: Mine\ndescription: Mine.\nconditions:\n"
        "- {quantity: valence_band, above: -7.0, reason: so}\n"
    )
    shown = invoke(rule, "--results", file).stdout
    assert "valence band -7.15 eV, 0.15 below -7.00 eV" in shown


def test_the_figure_has_a_bar_for_each_edge_and_a_line_for_each_level(
    file: Path, tmp_path: Path
) -> None:
    invoke("water-splitting", "--results", file, "--flagged", "--figure", tmp_path / "pictures")
    assert (tmp_path / "pictures" / "water-splitting.png").stat().st_size > 10_000
    found = from_results([TITANATE, flagged_result("cao")], flagged=True)
    (axes,) = screening_figure(screen(ask(load_rule("water-splitting"), Terms()), found)).axes
    assert len(axes.patches) == 4
    assert [bool(bar.get_hatch()) for bar in axes.patches] == [False, False, True, True]
    levels = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "--"]
    assert sorted(levels) == pytest.approx([-4.44 - 1.229, -4.44])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((), ConfigurationError, "no rule is named"),
        (("water",), ConfigurationError, "there is no rule"),
        (("water-splitting", "--ph", "15"), PhysicsInputError, "from 0 to 14"),
        (("water-splitting", "--ph", "-1"), PhysicsInputError, "from 0 to 14"),
        (("co2-reduction", "--couple", "CO2/C"), PhysicsInputError, "unknown redox couple"),
        (("n-contact", "--ph", "7"), ConfigurationError, "means nothing"),
        (("water-splitting", "--gap", "3"), ConfigurationError, "no window of the gap"),
        (("water-splitting", "--gap", "3,2"), ConfigurationError, "no window of the gap"),
        (("water-splitting", "--margin", "inf"), ConfigurationError, "a finite number"),
        (("water-splitting", "--margin", "50"), ConfigurationError, "no surface can meet all of"),
        (("water-splitting", "--json", "."), ConfigurationError, "names the folder"),
        (("water-splitting", "--without", "Xx"), ConfigurationError, "no element"),
        (("water-splitting", "--where", "gap >"), QuerySyntaxError, "value"),
        (("water-splitting", "--crystal", "MgO"), ConfigurationError, "--from predicted"),
        (("water-splitting", "--results", "none.json"), ConfigurationError, "holds no results"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_a_database_is_opened(
    arguments: tuple[str, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        invoke(*arguments)


def test_nothing_to_screen_is_an_error_that_says_why(file: Path) -> None:
    with pytest.raises(DocumentNotFoundError, match="1 flagged"):
        invoke("water-splitting", "--results", file, "--where", "formula = CaO")
    with pytest.raises(DocumentNotFoundError, match="no surface to screen matches"):
        invoke("water-splitting", "--results", file, "--where", "formula = Al2O3")


def test_predictions_are_screened_alone_and_beside_computed_ones(
    file: Path, tmp_path: Path
) -> None:
    slabs = write_slab_file(slab_entries(toy_dataset(60)), tmp_path / "slabs.json.gz")
    train = ["learn", "train", "--slabs", slabs, "--model", "toy", "--kind", "composition"]
    models = ["--registry", tmp_path / "models"]
    done = CliRunner().invoke(app, [str(word) for word in (*train, *models)])
    assert done.exit_code == 0, done.output
    predicted = ["--from", "predicted", "--crystal", "MgO", "--crystal", "CaO", *models]
    found = json.loads(invoke("n-contact", *predicted, "--json", "-").stdout)
    assert {surface["formula"] for surface in found["surfaces"]} == {"MgO", "CaO"}
    assert {surface["source"] for surface in found["surfaces"]} == {"predicted"}
    where = ["--where", "formula = MgO and miller_index = (1,0,0)"]
    found = json.loads(invoke("n-contact", *predicted, *where, "--json", "-").stdout)
    assert [surface["name"] for surface in found["surfaces"]] == ["MgO(100)-A"]
    both = ["--from", "both", "--results", file, *predicted[2:], "--json", "-"]
    sources = {s["source"] for s in json.loads(invoke("n-contact", *both).stdout)["surfaces"]}
    assert sources == {"computed", "predicted"}


def test_json_stays_valid_where_a_bound_is_infinite(file: Path) -> None:
    text = invoke("water-splitting", "--gap", "1,inf", "--results", file, "--json", "-").stdout
    assert "Infinity" not in text
    assert json.loads(text)["terms"]["gap"] == [1.0, None]


@pytest.mark.parametrize(
    "fields",
    [
        {"ionization_potential": "7.0"}, {"electron_affinity": float("nan")},
        {"convergence_error": 1e200}, {"dielectric_constant": float("inf")},
        {"functional": 7}, {"formula": None}, {"warnings": None}, {"failed_checks": "slab"},
    ],
)  # fmt: skip
def test_a_file_whose_values_are_no_levels_is_refused(
    tmp_path: Path, fields: dict[str, object]
) -> None:
    path = tmp_path / "odd.json"
    path.write_text(json.dumps([record(TITANATE) | fields], default=str))
    with pytest.raises(ConfigurationError, match=r"odd\.json holds no results"):
        invoke("water-splitting", "--results", path)
