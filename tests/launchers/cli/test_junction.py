"""``surfalign junction`` and ``surfalign validate levels`` against a real database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stored_results import failed_result, flagged_result, passed_result, store
from typer.testing import CliRunner, Result

from surfalign.errors import (
    ConfigurationError,
    DocumentNotFoundError,
    MixedMethodsError,
    PhysicsInputError,
    QuerySyntaxError,
    UnwritableFileError,
)
from surfalign.launchers.cli.main import app
from surfalign.launchers.database import server
from surfalign.stores.database import Database

#: Without it, options of a scheme mean nothing.
SCHEME = ("--scheme", "z-scheme")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


@pytest.fixture
def stored(database: Database) -> Database:
    store(
        database,
        passed_result("mgo-1", space_group_number=225),
        passed_result("zno-1", formula="ZnO", surface_name="ZnO(100)-A", space_group_number=186,
                      ionization_potential=7.8, electron_affinity=4.4, band_gap=3.4),
        passed_result("tio2-1", formula="TiO2", surface_name="TiO2(110)-A", space_group_number=136,
                      miller_index=(1, 1, 0), ionization_potential=7.4, electron_affinity=4.3,
                      band_gap=3.1),
        flagged_result("cao-1"),
        failed_result("zno-2"),
    )  # fmt: skip
    return database


def test_two_surfaces_are_found_by_name_and_by_the_beginning_of_an_identifier(
    stored: Database,
) -> None:
    result = invoke("junction", "MgO(100)-A", "zno-1")
    assert result.exit_code == 0
    [row] = [line for line in result.stdout.splitlines() if "ZnO(100)-A" in line]
    assert "MgO(100)-A" in row
    assert "-0.65" in row
    assert "II" in row
    assert "mean absolute error 0.45 eV" in result.stdout


def test_json_goes_to_the_output_alone_and_the_error_of_the_rule_is_a_setting(
    stored: Database,
) -> None:
    [small] = json.loads(
        invoke("junction", "mgo", "zno-1", "--rule-error", "0", "--json", "-").stdout
    )
    [large] = json.loads(
        invoke("junction", "mgo", "zno-1", "--rule-error", "1", "--json", "-").stdout
    )
    assert small["valence_offset"] == large["valence_offset"] == pytest.approx(-0.65)
    assert small["valence_offset_error"] < large["valence_offset_error"]


def test_partners_exclude_the_surface_itself_and_obey_the_query(stored: Database) -> None:
    records = json.loads(
        invoke("junction", "--partners", "mgo-1", "--type", "I", "--json", "-").stdout
    )
    assert [r["second"]["identifier"] for r in records].count("mgo-1") == 0
    assert len(records) == 2
    chances = [record["probabilities"]["I"] for record in records]
    assert chances == sorted(chances, reverse=True)
    only = invoke("junction", "--partners", "mgo-1", "--where", "formula = ZnO", "--json", "-")
    assert [r["second"]["identifier"] for r in json.loads(only.stdout)] == ["zno-1"]


def test_a_matrix_counts_the_types_and_is_written_whole(stored: Database, tmp_path: Path) -> None:
    file = tmp_path / "all.json"
    result = invoke("junction", "--matrix", "", "--json", str(file), "--figure", str(tmp_path))
    assert "3 pairs of 3 surfaces" in result.stdout
    plain = json.loads(file.read_text())
    assert len(plain["type"]) == len(plain["surfaces"]) == 3
    assert (tmp_path / "junctions.png").read_bytes().startswith(b"\x89PNG")
    streamed = invoke("junction", "--matrix", "formula != CaO", "--json", "-")
    assert json.loads(streamed.stdout)["methods"] == ["ddh"]


def test_pairs_that_split_water_are_searched_at_a_ph(stored: Database, tmp_path: Path) -> None:
    result = invoke("junction", "--matrix", "", "--scheme", "z-scheme", "--ph", "7")
    assert "z-scheme at pH 7" in " ".join(result.stdout.split())
    assert "p(scheme)" in result.stdout
    invoke("junction", "--matrix", "", "--scheme", "z-scheme", "--figure", str(tmp_path))
    assert len(list(tmp_path.glob("*.png"))) == 1
    harder = ("--scheme", "z-scheme", "--margin", "1.5", "--json", "-")
    easy = json.loads(invoke("junction", "--matrix", "", *harder[:2], *harder[4:]).stdout)
    hard = json.loads(invoke("junction", "--matrix", "", *harder).stdout)
    assert max(r["probability"] for r in hard) < max(r["probability"] for r in easy)


def test_a_search_that_finds_no_pair_says_so_in_words(stored: Database) -> None:
    result = invoke("junction", "--matrix", "", *SCHEME, "--margin", "50")
    assert "No pair has a probability above 0." in result.stdout
    assert "p(scheme)" not in result.stdout


def test_names_with_letters_of_other_alphabets_are_found(stored: Database) -> None:
    store(stored, passed_result("gao", formula="Ga2O3", surface_name="β-Ga2O3(100)-A"))
    assert "β-Ga2O3(100)-A" in invoke("junction", "zno-1", "β-Ga2O3(100)-A").stdout


def test_outputs_that_cannot_be_written_are_refused_by_name_and_leave_what_was_there(
    stored: Database, tmp_path: Path
) -> None:
    (tmp_path / "junctions.png").mkdir()
    with pytest.raises(UnwritableFileError, match=r"junctions\.png cannot be written"):
        invoke("junction", "--matrix", "", "--figure", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["junctions.png"]
    with pytest.raises(UnwritableFileError, match="/proc/x cannot be made"):
        invoke("junction", "--matrix", "", "--json", "/proc/x/all.json")


def test_a_figure_of_two_surfaces_is_drawn(stored: Database, tmp_path: Path) -> None:
    result = invoke("junction", "mgo-1", "zno-1", "--figure", str(tmp_path / "new"))
    assert "Wrote" in result.stderr
    [file] = (tmp_path / "new").glob("*.png")
    assert file.read_bytes().startswith(b"\x89PNG")


def test_predicted_surfaces_join_with_mixed_alone(stored: Database, tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    bounds = {"ionization_potential": [5.0, 7.0], "electron_affinity": [-1.0, 1.0]}
    file.write_text(json.dumps([{
        "name": "SrO(100)-A", "ionization_potential": 6.0, "electron_affinity": 0.0,
        "interval_90": bounds, "in_domain": True, "model": "levels v1",
    }]))  # fmt: skip
    asked = ("junction", "mgo-1", "SrO(100)-A", "--predictions", str(file))
    with pytest.raises(MixedMethodsError, match="predicted by levels v1"):
        invoke(*asked)
    result = invoke(*asked, "--mixed")
    assert "2 METHODS" in " ".join(result.stdout.split())


def test_a_surface_on_itself_is_refused(stored: Database) -> None:
    with pytest.raises(PhysicsInputError, match="a junction of mgo-1 with itself"):
        invoke("junction", "mgo-1", "MgO(100)-A")


def test_flagged_results_need_a_word_and_failed_ones_are_refused(stored: Database) -> None:
    with pytest.raises(PhysicsInputError, match="failed the checks slab_centre"):
        invoke("junction", "mgo-1", "cao-1")
    assert "slab_centre" in invoke("junction", "mgo-1", "cao-1", "--flagged").stdout
    with pytest.raises(PhysicsInputError, match=r"zno-2 failed \(ConvergenceError"):
        invoke("junction", "mgo-1", "zno-2", "--flagged")


def test_unknown_and_ambiguous_surfaces_are_refused(stored: Database) -> None:
    with pytest.raises(DocumentNotFoundError, match="no result has the identifier 'BaO'"):
        invoke("junction", "mgo-1", "BaO")
    store(stored, passed_result("mgo-2"))
    with pytest.raises(DocumentNotFoundError, match=r"several results are of MgO\(100\)-A"):
        invoke("junction", "MgO(100)-A", "zno-1")


def test_mixed_methods_are_refused_unless_asked_for_and_then_stated(stored: Database) -> None:
    store(stored, passed_result("mgo-2", functional="hse06"))
    with pytest.raises(MixedMethodsError, match="2 methods: ddh, hse06"):
        invoke("junction", "--matrix", "")
    assert "2 METHODS" in " ".join(invoke("junction", "--matrix", "", "--mixed").stdout.split())


def test_queries_that_find_nothing_or_too_little_are_refused(stored: Database) -> None:
    with pytest.raises(
        DocumentNotFoundError, match="no surface with levels matches 'formula = BaO'"
    ):
        invoke("junction", "--matrix", "formula = BaO")
    with pytest.raises(DocumentNotFoundError, match="1 flagged"):
        invoke("junction", "--matrix", "formula = CaO")
    with pytest.raises(DocumentNotFoundError, match="one surface with levels"):
        invoke("junction", "--matrix", "formula = MgO")
    with pytest.raises(DocumentNotFoundError, match="one surface with levels"):
        invoke("junction", "--partners", "mgo-1", "--where", "formula = MgO")


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((), ConfigurationError, "no surfaces"),
        (("a",), ConfigurationError, "1 surfaces"),
        (("a", "b", "c"), ConfigurationError, "3 surfaces"),
        (("a", "b", "--matrix", ""), ConfigurationError, "2 surfaces and --matrix"),
        (("a", "b", "--scheme", "z-scheme"), ConfigurationError, "--scheme means nothing to two"),
        (("a", "b", "--type", "I"), ConfigurationError, "--type means nothing to two surfaces"),
        (("a", "b", "--limit", "3"), ConfigurationError, "--limit means nothing to two surfaces"),
        (("--matrix", "", "--ph", "0"), ConfigurationError, "--ph means nothing to pairs without"),
        (("--partners", "a", "--margin", "0.1"), ConfigurationError, "--margin means nothing"),
        (
            ("--matrix", "", "--reduction", "H+/H2", "--oxidation", "O2/H2O"),
            ConfigurationError,
            "--reduction, --oxidation means nothing",
        ),
        (
            ("--matrix", "", "--scheme", "type-ii", "--type", "I"),
            ConfigurationError,
            "--type means nothing to a search for a scheme",
        ),
        (("--matrix", "colour = red"), QuerySyntaxError, "no field 'colour'"),
        (("--matrix", "", "--type", "IV"), ConfigurationError, "type 'IV'"),
        (("--matrix", "", "--scheme", "x"), ConfigurationError, "scheme 'x'"),
        (("--matrix", "", *SCHEME, "--ph", "15"), PhysicsInputError, "a pH of 15"),
        (
            ("--matrix", "", *SCHEME, "--reduction", "Xe/Xe+"),
            PhysicsInputError,
            "unknown redox couple",
        ),
        (("--matrix", "", *SCHEME, "--margin", "-1"), ConfigurationError, "a margin of -1 eV"),
        (("--matrix", "", *SCHEME, "--margin", "inf"), ConfigurationError, "a margin of inf eV"),
        (("--matrix", "", "--where", "formula = ZnO"), ConfigurationError, "--where without"),
        (("--matrix", "", "--json", "."), ConfigurationError, "names the folder"),
        (("a", "b", "--rule-error", "-1"), PhysicsInputError, "Anderson's rule of -1.0 eV"),
        (("a", "b", "--rule-error", "1e300"), PhysicsInputError, "a number from 0 to 10"),
    ],
)
def test_bad_input_is_refused_before_the_database_is_opened(
    arguments: tuple[str, ...], error: type[Exception], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "open_database", lambda **_: pytest.fail("opened"))
    with pytest.raises(error, match=text):
        invoke("junction", *arguments)


def test_stored_levels_are_compared_with_measured_ones(stored: Database, tmp_path: Path) -> None:
    result = invoke("validate", "levels", "--figure", str(tmp_path))
    text = " ".join(result.stdout.split())
    assert "IP: 3 compared, mean absolute error 0.00 eV" in text
    assert "no result of In2O3" in text
    assert (tmp_path / "measured-levels.png").read_bytes().startswith(b"\x89PNG")
    plain = json.loads(invoke("validate", "levels", "--json", "-").stdout)
    assert {row["surface"] for row in plain["compared"]} == {
        "MgO(100)-A", "ZnO(100)-A", "TiO2(110)-A",
    }  # fmt: skip
    assert plain["summary"]["electron_affinity"] is None


def test_a_comparison_of_nothing_says_so_and_fails(stored: Database) -> None:
    result = invoke("validate", "levels", "--where", "formula = CaO")
    assert result.exit_code == 1
    assert "nothing is compared" in result.stderr


def test_levels_of_several_methods_are_compared_only_on_request(stored: Database) -> None:
    store(stored, passed_result("b", formula="BaO", surface_name="BaO(100)-A",
                                space_group_number=225, functional="hse06"))  # fmt: skip
    with pytest.raises(MixedMethodsError, match="2 methods: ddh, hse06"):
        invoke("validate", "levels")
    assert "Results of 2 methods" in invoke("validate", "levels", "--mixed").stdout


def test_a_result_without_an_affinity_is_refused_by_its_name(stored: Database) -> None:
    store(stored, passed_result("sro-1", formula="SrO", electron_affinity=None))
    with pytest.raises(PhysicsInputError, match="sro-1 cannot be used: without IP or EA"):
        invoke("junction", "mgo-1", "sro-1")
