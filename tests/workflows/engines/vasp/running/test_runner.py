"""A step's calculations: done once, continued, retried, with the tags of the machine."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from pymatgen.core import Structure
from pymatgen.io.vasp import Incar

from surfalign.errors import EngineKilledError, MissingDatasetError, MissingDependencyError
from surfalign.settings import Settings, load_settings
from surfalign.stores.documents import Correction, SurfaceDescription
from surfalign.workflows.engines.vasp import steps
from surfalign.workflows.engines.vasp.dry_runners import Estimator, InputWriter
from surfalign.workflows.engines.vasp.inputs import kpoints, tags
from surfalign.workflows.engines.vasp.inputs.settings import preset
from surfalign.workflows.engines.vasp.makers import VaspBulkMaker
from surfalign.workflows.engines.vasp.running import corrections
from surfalign.workflows.engines.vasp.running.machine import Machine
from surfalign.workflows.engines.vasp.running.run_state import CHECKPOINT_FILE
from surfalign.workflows.engines.vasp.running.runner import (
    FINISHED_FILE,
    CheckpointReached,
    PlannedCalculation,
    StepRunner,
)
from surfalign.workflows.engines.vasp.steps import planned

# Custodian and pymatgen warn of missing POTCAR files.
pytestmark = pytest.mark.filterwarnings("ignore")

QUICK = preset("quick")


def static(structure: Structure, **files: Path) -> PlannedCalculation:
    inputs, mesh = tags.bulk_static(QUICK, structure), kpoints.bulk_mesh(structure, 0.6)
    return planned("static", "static", QUICK, structure, inputs, mesh, **files)


def runner(root: Path, cores: int = 4, deadline: float | None = None) -> StepRunner:
    return StepRunner(root, load_settings(), Machine(cores, 0, deadline))


def incar(folder: Path) -> Incar:
    return Incar.from_file(folder / "INCAR")


@pytest.mark.usefixtures("stub_engine")
def test_a_calculation_that_has_ended_is_not_run_again(mgo: Structure, tmp_path: Path) -> None:
    folder = runner(tmp_path).run(static(mgo))
    assert json.loads((folder / FINISHED_FILE).read_text()) == {"changes": {}}
    written = (folder / "vasprun.xml").stat().st_mtime_ns
    again = runner(tmp_path)
    assert again.run(static(mgo)) == folder
    assert (folder / "vasprun.xml").stat().st_mtime_ns == written
    assert again.folders == {"static": folder}
    assert again.corrections == []


@pytest.mark.usefixtures("stub_engine")
def test_the_machine_chooses_the_parallel_tags(mgo: Structure, tmp_path: Path) -> None:
    few = incar(runner(tmp_path / "few", cores=1).run(static(mgo)))
    many = incar(runner(tmp_path / "many", cores=32).run(static(mgo)))
    assert (few["KPAR"], few["NCORE"]) == (1, 1)
    assert many["KPAR"] > 1
    assert {k: v for k, v in few.items() if k not in ("KPAR", "NCORE")} == {
        k: v for k, v in many.items() if k not in ("KPAR", "NCORE")
    }


@pytest.mark.usefixtures("stub_engine")
def test_a_calculation_that_was_cut_off_goes_on(
    mgo_surface: SurfaceDescription, tmp_path: Path
) -> None:
    slab = mgo_surface.slab
    first = runner(tmp_path)
    folder = steps.slab_relaxation(first, QUICK, slab)
    (folder / FINISHED_FILE).unlink()  # as a killed job leaves it
    (folder / CHECKPOINT_FILE).touch()
    (folder / "STOPCAR").write_text("LSTOP = .TRUE.\n")
    second = runner(tmp_path)
    assert steps.slab_relaxation(second, QUICK, slab) == folder
    (correction,) = second.corrections
    assert correction.handler == "continuation"
    assert correction.errors == ["wall time nearly used up"]
    assert "CONTCAR copied to POSCAR" in correction.actions
    assert not (folder / "STOPCAR").exists()
    assert (folder / FINISHED_FILE).is_file()


@pytest.mark.usefixtures("stub_engine")
def test_what_would_not_end_in_time_is_left_to_the_next_job(mgo: Structure, tmp_path: Path) -> None:
    run = runner(tmp_path)
    run.run(static(mgo))
    run.machine = Machine(4, 0, deadline=time.time() + 30)  # less than is kept for stopping
    second = replace(static(mgo), name="second")
    with pytest.raises(CheckpointReached, match=str(tmp_path)):
        run.run(second)
    assert not (tmp_path / "second").exists()
    assert run.run(static(mgo)) == tmp_path / "static", "what has ended is still there"
    folder = runner(tmp_path).run(second)
    assert (folder / FINISHED_FILE).is_file()


def test_a_fault_that_stays_is_tried_again_then_with_other_settings_then_raised(
    mgo: Structure, tmp_path: Path, stub_engine: Path
) -> None:
    (stub_engine / "truncated_vasprun").write_text("always")
    run = runner(tmp_path)
    with pytest.raises(EngineKilledError, match="static: VASP ended without a result"):
        run.run(static(mgo))
    assert [(c.handler, c.actions) for c in run.corrections] == [
        ("retry", ["computed anew"]),
        ("retry", ["INCAR: ALGO = All", "INCAR: ISYM = 0"]),
    ]
    assert incar(tmp_path / "static")["ALGO"] == "All"
    assert {path.name for path in tmp_path.glob("static.failed*")} == {
        "static.failed1",
        "static.failed2",
    }


@pytest.mark.usefixtures("stub_engine")
def test_a_missing_executable_is_named(
    mgo: Structure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ATOMATE2_VASP_CMD", "ATOMATE2_VASP_GAMMA_CMD"):
        monkeypatch.setenv(name, str(tmp_path / "no_such_program"))
    with pytest.raises(MissingDependencyError, match="no_such_program"):
        runner(tmp_path / "step").run(static(mgo))


def test_missing_potentials_leave_no_half_written_folder(
    mgo: Structure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        __import__("pymatgen.core", fromlist=["SETTINGS"]).SETTINGS, "PMG_VASP_PSP_DIR", None
    )
    run = StepRunner(tmp_path, Settings(), Machine(1, 0, None))
    with pytest.raises(MissingDatasetError, match="POTCAR files of PBE_54"):
        run.run(static(mgo))
    assert not (tmp_path / "static").exists()


def test_dry_runs_walk_the_same_calculations(mgo: Structure, tmp_path: Path) -> None:
    maker = VaspBulkMaker(settings=QUICK)
    estimator = Estimator()
    maker.calculations(estimator, mgo)
    assert [c.name for c in estimator.calculations] == ["relax1", "relax2", "static"]
    writer = InputWriter(root=tmp_path)
    maker.calculations(writer, mgo)
    assert writer.total() == estimator.total()
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {
        f"{name}/{file}"
        for name in ("relax1", "relax2", "static")
        for file in ("INCAR", "KPOINTS", "POSCAR", "POTCAR.spec")
    }


def test_corrections_outlive_the_job(tmp_path: Path) -> None:
    corrections.record(
        tmp_path, [Correction(stage="relax", handler="retry", errors=["e"], actions=["a"])]
    )
    assert [c.stage for c in runner(tmp_path).corrections] == ["relax"]
