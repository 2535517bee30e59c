"""``surfalign crystals``, and ``surfalign oxides``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from surfalign.crystals.library import library
from surfalign.errors import ConfigurationError
from surfalign.launchers.cli.crystals import short_source
from surfalign.launchers.cli.main import app


def crystals(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["crystals", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def names(*arguments: str) -> set[str]:
    return {entry["name"] for entry in json.loads(crystals(*arguments, "--json", "-"))}


def test_table_lists_every_crystal_with_its_plane_and_source() -> None:
    text = crystals()
    assert f"{len(library())} crystals" in text
    for name in library():
        assert name in text
    row = next(line for line in text.splitlines() if "TiO2-rutile" in line)
    for cell in ("rutile", "P4_2/mnm (136)", "a 4.5937, c 2.9587", "(1 1 0)", "Howard"):
        assert cell in row


def test_json_holds_everything(tmp_path: Path) -> None:
    file = tmp_path / "crystals.json"
    assert crystals("--json", str(file)) == ""
    entries = {entry["name"]: entry for entry in json.loads(file.read_text())}
    assert set(entries) == set(library())
    gallia = entries["Ga2O3-beta"]
    assert gallia["lattice"] == {
        "a": 12.214,
        "b": 3.0371,
        "c": 5.7981,
        "alpha": 90.0,
        "beta": 103.83,
        "gamma": 90.0,
    }
    assert gallia["n_atoms"] == 20
    assert gallia["surface"] == [1, 0, 0]
    assert gallia["doi"] == "10.1107/S0108270195016404"
    assert gallia["sites"][0] == {
        "element": "Ga",
        "wyckoff": "4i",
        "coordinates": [0.0905, 0.0, 0.7946],
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sn", {"SnO", "SnO2", "BaSnO3", "Y2Sn2O7", "SnS", "SnS2", "SnSe", "SnTe"}),
        ("litharge", {"SnO", "PbO-litharge"}),
        ("Pn-3m", {"Cu2O", "Ag2O"}),
        ("Zircon", {"ZrSiO4", "HfSiO4", "ZrO2-monoclinic", "ZrO2-cubic", "ZrO2-tetragonal"}),
        ("sapphire", {"Al2O3"}),
    ],
)
def test_filter(text: str, expected: set[str]) -> None:
    assert names("--filter", text) == expected


def test_anion_keeps_its_compounds_mixed_ones_too() -> None:
    assert names("--anion", "N", "--filter", "Ta") == {"TaON"}
    sulfides = names("--anion", "S")
    assert {"ZnS-zincblende", "MoS2", "La2O2S"} <= sulfides
    assert not sulfides & {"MgO", "ZnSe", "NaCl"}


def test_an_unknown_anion_is_an_error_with_the_known_ones() -> None:
    result = CliRunner().invoke(app, ["crystals", "--anion", "Sb"])
    assert isinstance(result.exception, ConfigurationError)
    assert "one of N, O, F, P, S, Cl, As, Se, Br, Te, I" in str(result.exception)


def test_oxides_are_the_crystals_of_oxygen() -> None:
    result = CliRunner().invoke(app, ["oxides", "--json", "-"])
    assert {entry["name"] for entry in json.loads(result.stdout)} == names("--anion", "O")


def test_a_filter_that_finds_nothing_fails() -> None:
    result = CliRunner().invoke(app, ["crystals", "--filter", "kryptonite"])
    assert result.exit_code == 1
    assert "kryptonite" in result.stdout


def test_narrow_terminals_get_short_sources() -> None:
    entries = library()
    assert short_source(entries["MgO"]) == "Wyckoff 1963"
    assert short_source(entries["ZnAl2O4"]) == "O'Neill 1994"
    assert short_source(entries["Y2Ti2O7"]) == "Lian 2003"
    for entry in entries.values():
        assert entry.reference.text.count(short_source(entry).split()[0]) == 1
