"""What a notebook calls, with the toy engine and a real database."""

from __future__ import annotations

import pytest
import toy_engine
from pymatgen.core import Structure

import surfalign
from surfalign.errors import QuerySyntaxError
from surfalign.stores.database import Database
from surfalign.stores.query.results import Results
from surfalign.workflows.engines import engine


@pytest.fixture
def _toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engine.ENGINES, "toy", "toy_engine:make_engine")


@pytest.mark.usefixtures("_toy", "database")
def test_a_crystal_is_computed_found_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    levels = surfalign.run_crystal("MgO", engine="toy", quality="quick")
    assert "MgO bulk: started" in capsys.readouterr().out
    (document,) = levels
    expected = toy_engine.STEP - toy_engine.VBM
    assert document.ionization_potential == pytest.approx(expected, abs=1e-3)
    assert repr(document).startswith("SurfaceLevelsDocument(surface_name='MgO(100)-A', ")
    assert len(repr(document)) < 200
    heading, row = repr(levels).splitlines()
    assert heading.split()[:3] == ["Surface", "IP", "(eV)"]
    assert row.split()[:3] == ["MgO(100)-A", "7.10", "-0.80"]
    assert "<td>7.10</td>" in levels._repr_html_()
    found = surfalign.find("ionization_potential > 6 eV")
    assert isinstance(found, Results)
    assert [d.identifier for d in found] == [document.identifier]
    assert found[0].slab_structure is None
    assert surfalign.find("ionization_potential > 9 eV") == []


@pytest.mark.usefixtures("_toy")
def test_orientations_surfaces_and_database_are_chosen(database: Database) -> None:
    mgo = surfalign.load_crystal("MgO").structure
    assert isinstance(mgo, Structure)
    indices = [(1, 0, 0), (1, 1, 0)]
    levels = surfalign.run_crystal(
        mgo, miller_index=indices, engine="toy", database=database, on_event=None
    )
    assert [d.miller_index for d in levels] == indices
    assert {d.source for d in levels} == {"structure"}
    (named,) = surfalign.run_crystal(
        "MgO", surface_names=["MgO(110)-A"], engine="toy", database=database, on_event=None
    )
    assert named.surface_name == "MgO(110)-A"
    assert len(surfalign.find(sort="miller_index", database=database)) == 2


@pytest.mark.usefixtures("_toy", "database")
def test_a_failed_surface_shows_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_FAILS_FOR", "MgO")
    levels = surfalign.run_crystal("MgO", engine="toy", on_event=None)
    assert levels[0].ionization_potential is None
    assert repr(levels).splitlines()[1].endswith("failed: ConvergenceError")


@pytest.mark.usefixtures("database")
def test_mistakes_are_named() -> None:
    with pytest.raises(QuerySyntaxError, match="ionisation"):
        surfalign.find("ionisation > 6")
    with pytest.raises(surfalign.SurfalignError, match="is no Miller index"):
        surfalign.run_crystal("MgO", miller_index=(0, 0, 0))
    with pytest.raises(surfalign.SurfalignError, match="unknown quality 'best'"):
        surfalign.run_crystal("MgO", quality="best")
    with pytest.raises(surfalign.SurfalignError, match="no option spin"):
        surfalign.run_crystal("MgO", spin=True)
    with pytest.raises(surfalign.SurfalignError, match="is no crystal"):
        surfalign.enumerate_slabs("MgO", (1, 0, 0))  # type: ignore[arg-type]
