"""``surfalign surfaces``: what it lists, writes and draws."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pymatgen.core import Structure
from typer.testing import CliRunner

from surfalign.errors import SurfaceError
from surfalign.launchers.cli.main import app
from surfalign.launchers.figures.style import file_stem

runner = CliRunner()


def test_json_holds_slabs_and_rejected_cuts(tmp_path: Path) -> None:
    target = tmp_path / "surfaces.json"
    result = runner.invoke(
        app,
        ["surfaces", "TiO2-rutile", "--hkl", "1,1,0", "--slab-thickness", "9",
         "--include-rejected", "--json", str(target)],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    records = json.loads(target.read_text())
    slabs = [r for r in records if r["state"] == "slab"]
    assert slabs[0]["name"] == "TiO2(110)-B-O/Ti2O2"
    assert {r["termination"] for r in slabs} == {"B", "C"}
    for record in slabs:
        slab = Structure.from_dict(record["slab"])
        assert len(slab) == record["n_atoms"]
        assert slab.lattice.c == pytest.approx(
            record["slab_thickness"] + record["vacuum_thickness"]
        )
        assert record["estimated_cpu_time"] > 0
        assert 0 < record["lowest_coordination_ratio"] < 1
    (rejected,) = [r for r in records if r["state"] == "rejected"]
    assert rejected["reason"] == "not_stoichiometric"
    assert "Ti2O6" in rejected["explanation"]


def test_table_names_slabs_polar_orientations_and_reasons() -> None:
    result = runner.invoke(app, ["surfaces", "ZnO", "--include-rejected"])
    assert result.exit_code == 0, result.output
    assert "ZnO(100)-A-1" in result.output
    assert "Polar orientations, without a nonpolar slab: (001), (101), (111)" in result.output
    assert "polar_orientation" in result.output


def test_area_ratio_leaves_out_high_index_faces() -> None:
    def names(*options: str) -> set[str]:
        result = runner.invoke(
            app, ["surfaces", "MgO", "--max-index", "2", "--json", "-", *options]
        )
        assert result.exit_code == 0, result.output
        return {record["name"] for record in json.loads(result.output)}

    everything, small = names(), names("--max-area-ratio", "1.2")
    assert small < everything
    assert "MgO(100)-A" in small
    # a^2/2 on (100) is 2/sqrt(3) of the smallest cell, that of (111); (110) is larger.
    assert "MgO(110)-A" in everything - small


def test_pictures_are_drawn(tmp_path: Path) -> None:
    result = runner.invoke(
        app, ["surfaces", "MgO", "--hkl", "1,0,0", "--figure", str(tmp_path / "pictures")]
    )
    assert result.exit_code == 0, result.output
    (picture,) = (tmp_path / "pictures").glob("MgO-100-A-*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 10_000


def test_unreadable_index_is_named() -> None:
    result = runner.invoke(app, ["surfaces", "MgO", "--hkl", "1,1"])
    assert isinstance(result.exception, SurfaceError)
    assert "'1,1' is no Miller index" in str(result.exception)


def test_names_of_files() -> None:
    assert file_stem("SrTiO3(1-10)-C-SrO/TiO2-1") == "SrTiO3-1-10-C-SrO_TiO2-1"
