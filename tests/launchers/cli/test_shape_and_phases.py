"""``surfalign shape`` and ``surfalign phases`` against a real database, and ``--oxygen``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stored_faces import face, rutile
from stored_results import store
from typer.testing import CliRunner, Result

from surfalign.errors import (
    ConfigurationError,
    DocumentNotFoundError,
    MixedMethodsError,
    PhysicsInputError,
    ShapeError,
    SurfaceError,
)
from surfalign.launchers.cli.main import app
from surfalign.stores.database import Database
from surfalign.stores.documents import ResultState
from surfalign.stores.query.results import find
from surfalign.stores.shapes.builder import build_shapes

FLAGGED = {"state": ResultState.FLAGGED, "failed_checks": ["slab_centre"]}


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


@pytest.fixture
def stored(database: Database) -> Database:
    """SnO2 with all faces, one of them flagged, and a reduced one."""
    reduced = face(
        "SnO2", (1, 1, 0), 0.0, ending="B-reduced", surface_energy=None, excess_oxygen=-2,
        surface_energy_oxygen_rich=3.0, oxygen_reference="water", ionization_potential=7.9,
    )  # fmt: skip
    store(database, *rutile()[:3], face("SnO2", (0, 0, 1), 1.72, **FLAGGED), reduced)
    return database


def test_shape_shows_shares_averages_what_is_missing_and_what_was_left_out(
    stored: Database,
) -> None:
    result = invoke("shape", "SnO2")

    assert result.exit_code == 0
    for text in ("SnO2(101)-B", "IP over the area: 8.", "(111)", "not computed",
                 "Left out, flagged (slab_centre): SnO2(001)-B", "toy ddh quick relaxed"):  # fmt: skip
        assert text in result.stdout


def test_flagged_results_are_marked(stored: Database) -> None:
    result = invoke("shape", "SnO2", "--flagged")

    assert "SnO2(001)-B *" in result.stdout
    assert "* failed checks: SnO2(001)-B" in result.stdout


def test_methods_that_are_mixed_are_named(database: Database) -> None:
    store(database, *rutile()[:2], *rutile(quality="standard")[2:])

    with pytest.raises(MixedMethodsError, match="--mixed"):
        invoke("shape", "SnO2")
    result = invoke("shape", "SnO2", "--mixed")
    assert "Of 2 methods, which do not compare" in result.stdout


def test_the_json_of_a_shape_holds_faces_and_shares(stored: Database, tmp_path: Path) -> None:
    result = invoke("shape", "SnO2", "--json", "-", "--figure", str(tmp_path))

    record = json.loads(result.stdout)
    assert sum(t["area_fraction"] for t in record["terminations"]) == pytest.approx(1)
    assert {len(v) for f in record["faces"] for v in f["vertices"]} == {3}
    assert record["missing"][0]["nonpolar"] is True
    assert record["left_out"] == {"flagged (slab_centre)": ["SnO2(001)-B"]}
    assert (tmp_path / "SnO2-136-shape.png").stat().st_size > 10_000


def test_phases_show_the_stable_surface_in_each_range(stored: Database, tmp_path: Path) -> None:
    result = invoke("phases", "SnO2", "--hkl", "1,1,0", "--figure", str(tmp_path))

    assert result.exit_code == 0
    for text in ("SnO2(110)-B-reduced", "-2", "half an O2 molecule, its energy from water", "7.90"):
        assert text in result.stdout
    assert (tmp_path / "SnO2-110-oxygen.png").stat().st_size > 10_000


def test_the_json_of_phases_holds_the_reference_and_its_correction(stored: Database) -> None:
    record = json.loads(
        invoke("phases", "SnO2", "--hkl", "110", "--json", "-", "--oxygen-correction", "0.2").stdout
    )

    assert (record["oxygen_reference"], record["oxygen_correction"]) == ("water", 0.2)
    assert [s["surface_name"] for s in record["stable"]] == ["SnO2(110)-B-reduced", "SnO2(110)-B"]
    assert record["stable"][0]["to"] == record["stable"][1]["from"]


def test_the_correction_of_the_settings_is_used_and_kept(
    stored: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURFALIGN_OXYGEN_CORRECTION", "-0.3")
    record = json.loads(invoke("phases", "SnO2", "--hkl", "110", "--json", "-").stdout)
    assert record["oxygen_correction"] == -0.3


def test_a_result_shows_its_oxygen_and_its_share_of_the_area(stored: Database) -> None:
    build_shapes(stored.surface_levels)

    reduced = invoke("show", "SnO2 SnO2(110)-B-reduced").stdout
    plain = next(find(stored, "area_fraction > 0.3")).identifier

    assert "-2 atoms" in reduced
    assert "3.000 J/m²" in reduced
    assert "Share of the shape's area" in invoke("show", plain).stdout


def test_phases_of_stoichiometric_slabs_alone_say_so(stored: Database) -> None:
    assert "Only stoichiometric slabs" in invoke("phases", "SnO2", "--hkl", "1,0,0").stdout


def test_bad_requests_are_refused(stored: Database) -> None:
    with pytest.raises(ConfigurationError, match="no orientation was given"):
        invoke("phases", "SnO2")
    with pytest.raises(SurfaceError, match="no Miller index"):
        invoke("phases", "SnO2", "--hkl", "x")
    with pytest.raises(DocumentNotFoundError, match="no result of MgO"):
        invoke("shape", "MgO")
    with pytest.raises(ShapeError, match="enclose no volume"):
        invoke("shape", "SnO2", "--where", "miller_index = (1,1,0)")
    with pytest.raises(PhysicsInputError, match="a finite temperature"):
        invoke("shape", "SnO2", "--temperature", "inf")
    with pytest.raises(PhysicsInputError, match="both finite"):
        invoke("phases", "SnO2", "--hkl", "1,1,0", "--from", "-inf")
    assert invoke("phases", "SnO2", "--hkl", "1,1,0", "--oxygen-correction", "nan").exit_code == 2


def test_a_negative_surface_energy_is_refused_by_the_name_of_its_result(database: Database) -> None:
    store(database, *rutile()[:3], face("SnO2", (0, 0, 1), -0.2))
    with pytest.raises(ShapeError, match=r"SnO2\(001\)-B is -0.2.*surfalign show SnO2 SnO2"):
        invoke("shape", "SnO2")


def test_surfaces_propose_reduced_and_oxidised_forms_only_when_asked() -> None:
    def names(*options: str) -> list[str]:
        arguments = ("surfaces", "SnO2", "--hkl", "1,0,0", "--slab-thickness", "8", "--json", "-")
        records = json.loads(invoke(*arguments, *options).stdout)
        return [r["name"] for r in records if "-C-" not in r["name"]]

    assert names() == ["SnO2(100)-B-O/Sn"]
    assert names("--oxygen") == [
        "SnO2(100)-B-O/Sn", "SnO2(100)-B-O/Sn-reduced", "SnO2(100)-B-O/Sn-oxidised",
    ]  # fmt: skip
