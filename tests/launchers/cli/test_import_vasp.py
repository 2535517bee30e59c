"""``surfalign import-vasp`` from end to end, with folders of the stand-in for VASP."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import stub_vasp_model as model
from stub_vasp_calculations import run_stub
from stub_vasp_tree import slab_of
from typer.testing import CliRunner

from surfalign.crystals.sources import load_crystal
from surfalign.launchers.cli.main import app
from surfalign.stores.database import Database

pytestmark = pytest.mark.programs


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("finished")
    mgo = load_crystal("MgO").structure
    run_stub(root / "bulk", "semilocal", mgo, (4, 4, 4))
    run_stub(root / "slab", "slab_potential", slab_of(mgo, (1, 0, 0), 12.0), (4, 4, 1))
    broken = run_stub(root / "broken", "slab_potential", slab_of(mgo, (1, 0, 0), 14.0), (4, 4, 1))
    (broken / "vasprun.xml").write_text("<modeling>\n")
    return root


def surfalign(*arguments: str) -> tuple[int, dict]:
    result = CliRunner().invoke(app, ["import-vasp", *arguments, "--json", "-"])
    return result.exit_code, json.loads(result.stdout)


def test_a_dry_run_stores_nothing_and_a_second_import_adds_nothing(
    folders: Path, database: Database
) -> None:
    code, report = surfalign(str(folders), "--dry-run")
    assert code == 0
    assert [r["action"] for r in report["results"]] == ["would be imported"]
    assert database.surface_levels.count() == 0
    code, report = surfalign(str(folders))
    assert code == 0
    (result,) = report["results"]
    ip, ea = model.expected_levels(["Mg", "O"], load_crystal("MgO").structure.volume, 0.0)
    assert result["ionization_potential_eV"] == pytest.approx(ip, abs=1e-3)
    assert result["electron_affinity_eV"] == pytest.approx(ea, abs=1e-3)
    assert result["functional"] == "pbesol"
    (refused,) = report["refused"]
    assert refused["directories"] == [str((folders / "broken").resolve())]
    assert "vasprun.xml" in refused["reason"]
    code, report = surfalign(str(folders))
    assert code == 0
    assert [r["action"] for r in report["results"]] == ["known already"]
    assert database.surface_levels.count() == 1


def test_the_table_shows_results_and_refusals(folders: Path, database: Database) -> None:
    result = CliRunner().invoke(app, ["import-vasp", str(folders)])
    assert result.exit_code == 0
    assert "MgO(100)-A" in result.stdout
    assert "refused" in result.stdout


def test_folders_without_a_pair_end_with_an_error(tmp_path: Path, database: Database) -> None:
    code, report = surfalign(str(tmp_path))
    assert code == 1
    assert (report["results"], report["unused"]) == ([], [])
    (refused,) = report["refused"]
    assert refused["directories"] == [str(tmp_path)]
    assert "vasprun.xml is missing" in refused["reason"]


def test_a_path_that_is_no_folder_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["import-vasp", str(tmp_path / "nowhere")])
    assert result.exit_code == 1
    assert "is no folder" in str(result.exception)
