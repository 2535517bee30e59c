"""The handlers alone, on folders that look as VASP leaves them; with custodian: test_recovery."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from custodian.vasp.handlers import VaspErrorHandler
from pymatgen.core import Structure
from pymatgen.io.vasp import Incar

from surfalign.stores.documents import Correction
from surfalign.workflows.engines.vasp.inputs.kpoints import exchange_mesh, with_zero_weights
from surfalign.workflows.engines.vasp.inputs.sets import input_set, write_inputs
from surfalign.workflows.engines.vasp.inputs.settings import preset
from surfalign.workflows.engines.vasp.inputs.tags import slab_relaxation
from surfalign.workflows.engines.vasp.running.corrections import (
    corrections_of,
    describe,
    load,
    record,
)
from surfalign.workflows.engines.vasp.running.handlers import (
    LISTED,
    Task,
    handlers_for,
    validators_for,
)
from surfalign.workflows.engines.vasp.running.printed_faults import (
    GeneralErrorHandler,
    ListedErrorHandler,
    OneShotErrorHandler,
    WaveFunctionsReadValidator,
)
from surfalign.workflows.engines.vasp.running.recoveries import (
    CheckpointHandler,
    HungHandler,
    InterruptedHandler,
    OutOfMemoryHandler,
    charge_sloshes,
)
from surfalign.workflows.engines.vasp.running.run_state import (
    CHECKPOINT_FILE,
    continuation_actions,
)

TASKS: tuple[Task, ...] = (
    "relaxation", "slab_relaxation", "static", "listed", "slab_static", "one_shot", "hybrid", "dfpt",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, mgo: Structure) -> Path:
    """Inputs of a relaxation with a list of k-points, and an output that was cut off."""
    points = with_zero_weights(mgo, exchange_mesh(mgo, 0.6), [])
    inputs = input_set(mgo, slab_relaxation(preset("quick"), mgo, None), points, "PBE_54", KPAR=4)
    write_inputs(inputs, tmp_path, potcar_spec=True)
    (tmp_path / "vasp.out").write_text(" running on 8 cores\n")
    (tmp_path / "std_err.txt").touch()
    (tmp_path / "OUTCAR").write_text(" vasp.6.4.3\n")
    return tmp_path


def incar(folder: Path) -> Incar:
    return Incar.from_file(folder / "INCAR")


def older(folder: Path, *names: str) -> None:
    """Make files older than all others, each one older than those that follow."""
    for age, name in enumerate(reversed(names), 1):
        os.utime(folder / name, (time.time() - 60 * age, time.time() - 60 * age))


@pytest.mark.parametrize("task", TASKS)
def test_no_two_handlers_of_a_task_are_one_class(task: Task) -> None:
    names = [type(h).__name__ for h in handlers_for(task, deadline=1.0, frozen_after=60)]
    assert len(names) == len(set(names))
    assert names[0] == "CheckpointHandler"
    assert "CheckpointHandler" not in [
        type(h).__name__ for h in handlers_for(task, deadline=None, frozen_after=60)
    ]


def test_nothing_deletes_the_orbitals_of_a_one_shot_or_mends_its_single_iteration() -> None:
    names = {type(h).__name__ for h in handlers_for("one_shot", deadline=None, frozen_after=60)}
    assert names == {
        "OutOfMemoryHandler",
        "InterruptedHandler",
        "HungHandler",
        "OneShotErrorHandler",
    }
    caught = set(OneShotErrorHandler().errors_subset_to_catch)
    assert caught == set(VaspErrorHandler.error_msgs) - {"coef"}
    assert any(isinstance(v, WaveFunctionsReadValidator) for v in validators_for("one_shot"))


@pytest.mark.parametrize("task", [task for task in TASKS if task in LISTED])
def test_listed_points_keep_their_symmetry(task: Task, folder: Path) -> None:
    assert "MeshSymmetryErrorHandler" not in {
        type(h).__name__ for h in handlers_for(task, deadline=None, frozen_after=60)
    }


@pytest.mark.parametrize(
    "name", sorted(set(VaspErrorHandler.error_msgs) - {"coef", "auto_nbands", "elf_kpar"})
)
def test_every_fault_that_custodian_knows_is_named_in_a_one_shot(folder: Path, name: str) -> None:
    (folder / "vasp.out").write_text(f" {VaspErrorHandler.error_msgs[name][0]}\n")
    handler = OneShotErrorHandler()
    assert handler.check(str(folder))
    correction = handler.correct(str(folder))
    assert name in correction["errors"]
    assert correction["actions"] is None
    (folder / "OUTCAR").write_text(" General timing and accounting informations for this job:\n")
    assert not OneShotErrorHandler().check(str(folder)), "it ended: that was a warning"


@pytest.mark.parametrize(
    "behind", ["", "\n PROFILE, used timers: 250\n" + 600 * f"{1:90}\n", 20_000 * "srun: done\n"]
)
def test_a_run_that_came_to_its_end_was_not_interrupted_whatever_follows(
    folder: Path, behind: str
) -> None:
    older(folder, "INCAR")
    end = " General timing and accounting informations for this job:\n"
    (folder / "OUTCAR").write_text(f" vasp.6.4.3\n{end}{behind}")
    assert not InterruptedHandler().check(str(folder))


def test_a_correction_that_switches_symmetry_off_is_refused_for_a_list(folder: Path) -> None:
    handler = ListedErrorHandler()
    (folder / "vasp.out").write_text("LAPACK: Routine ZPOTRF failed!\n")
    assert handler.check(str(folder))
    assert handler.correct(str(folder)) == {"errors": ["zpotrf"], "actions": None}


@pytest.mark.parametrize(
    "line", ["WARNING in EDDRMM: call to ZHEGV failed", "BRMIX: very serious problems"]
)
def test_bands_keep_the_density_that_they_are_of(folder: Path, line: str) -> None:
    inputs = incar(folder) | {"ICHARG": 11}
    Incar(inputs).write_file(folder / "INCAR")
    (folder / "CHGCAR").write_text("density")
    (folder / "vasp.out").write_text(f" {line}\n")
    handler = GeneralErrorHandler()
    for _ in range(3):
        assert handler.check(str(folder))
        actions = handler.correct(str(folder))["actions"]
        assert (folder / "CHGCAR").read_text() == "density"
        assert all(action.get("file") != "CHGCAR" for action in actions or ())
    assert not (folder / "CHGCAR.kept").exists()


@pytest.mark.parametrize(
    "line",
    [
        "slurmstepd: error: Detected 1 oom-kill event(s)",
        "forrtl: severe (41): insufficient virtual memory",
        "mmap: Cannot allocate memory",
        "Allocation would exceed memory limit",
    ],
)
def test_lacking_memory_lowers_kpar_then_raises_ncore_then_gives_up(
    folder: Path, line: str
) -> None:
    handler = OutOfMemoryHandler()
    assert not handler.check(str(folder))
    (folder / "std_err.txt").write_text(f"{line}\n")
    assert handler.check(str(folder))
    seen = []
    while handler.correct(str(folder))["actions"] is not None:
        seen.append((incar(folder)["KPAR"], incar(folder).get("NCORE", 1)))
    assert seen == [(2, 1), (1, 1), (1, 2), (1, 4), (1, 8)]


def test_a_run_that_was_killed_goes_on_from_its_last_geometry(folder: Path, mgo: Structure) -> None:
    older(folder, "INCAR", "vasp.out", "OUTCAR")
    handler = InterruptedHandler()
    assert handler.check(str(folder))
    moved = mgo.copy()
    moved.translate_sites([1], [0, 0, 0.01])
    moved.to(str(folder / "CONTCAR"), fmt="poscar")
    (folder / "WAVECAR").write_bytes(b"orbitals")
    handler.correct(str(folder))
    assert (folder / "POSCAR").read_text() == (folder / "CONTCAR").read_text()
    assert incar(folder)["ISTART"] == 1
    assert not handler.check(str(folder)), "the inputs are newer than the output now"


def test_runs_that_ended_or_have_a_known_fault_were_not_interrupted(folder: Path) -> None:
    older(folder, "INCAR")
    (folder / "vasp.out").write_text("LAPACK: Routine ZPOTRF failed!\n")
    assert not InterruptedHandler().check(str(folder))
    (folder / "vasp.out").write_text("")
    (folder / "OUTCAR").write_text(" General timing and accounting informations for this job:\n")
    assert not InterruptedHandler().check(str(folder))


def test_a_run_that_was_asked_to_stop_is_no_failure(folder: Path) -> None:
    older(folder, "INCAR")
    late = CheckpointHandler(time.time() + 30, buffer_time=60, electronic=False)
    early = CheckpointHandler(time.time() + 3600, buffer_time=60, electronic=True)
    assert late.check(str(folder))
    assert not early.check(str(folder))
    assert late.correct(str(folder))["actions"] is None
    assert (folder / "STOPCAR").read_text() == "LSTOP = .TRUE.\n"
    assert (folder / CHECKPOINT_FILE).exists()
    assert not InterruptedHandler().check(str(folder))
    early.correct(str(folder))
    assert (folder / "STOPCAR").read_text() == "LABORT = .TRUE.\n"


def test_a_run_that_hangs_is_started_twice_more(folder: Path) -> None:
    older(folder, "INCAR", "vasp.out", "OUTCAR")
    handler = HungHandler(timeout=10)
    assert handler.check(str(folder))
    assert handler.correct(str(folder))["actions"]
    assert not handler.check(str(folder)), "the inputs are newer than the output now"
    assert handler.correct(str(folder))["actions"]
    assert handler.correct(str(folder)) == {"errors": ["Frozen job"], "actions": None}
    assert not HungHandler(timeout=3600).check(str(folder))


def test_orbitals_that_were_not_read_are_refused(folder: Path) -> None:
    validator = WaveFunctionsReadValidator()
    assert validator.check(str(folder))
    (folder / "vasp.out").write_text(" the WAVECAR file was read successfully\n")
    assert not validator.check(str(folder))


@pytest.mark.parametrize(
    "line",
    [
        " WAVECAR not read",
        " WAVECAR: different cutoff or change in lattice found",
        " random initialization beyond band           13",
        " number of k-points has changed, file:    10 present:    12",
    ],
)
def test_orbitals_that_did_not_fit_are_refused_even_where_vasp_says_it_read_them(
    folder: Path, line: str
) -> None:
    (folder / "vasp.out").write_text(f"{line}\n the WAVECAR file was read successfully\n")
    assert WaveFunctionsReadValidator().check(str(folder))


@pytest.mark.parametrize(("sign", "sloshes"), [(-1, True), (1, False)])
def test_sloshing_is_energy_that_changes_sign_to_the_end(
    tmp_path: Path, sign: int, sloshes: bool
) -> None:
    header = "       N       E                     dE             d eps       ncg     rms          rms(c)\n"
    lines = [
        f"DAV: {n:3d}    -0.{n:012d}E+02   {0.5 * sign**n:16.8E}   -0.10000E+01   100   0.1E+01    0.1E+01\n"
        for n in range(1, 21)
    ]
    (tmp_path / "OSZICAR").write_text(header + "".join(lines))
    assert charge_sloshes(tmp_path / "OSZICAR") is sloshes
    assert not charge_sloshes(tmp_path / "missing")


def test_continuing_needs_an_action_even_where_nothing_changes(folder: Path) -> None:
    assert continuation_actions(folder) == [{"dict": "INCAR", "action": {"_set": {}}}]


def test_actions_are_recorded_in_words(tmp_path: Path) -> None:
    assert list(describe({"dict": "INCAR", "action": {"_set": {"ALGO": "All", "NELM": 200}}})) == [
        "INCAR: ALGO = All",
        "INCAR: NELM = 200",
    ]
    assert list(describe({"file": "CONTCAR", "action": {"_file_copy": {"dest": "POSCAR"}}})) == [
        "CONTCAR copied to POSCAR"
    ]
    assert list(describe({"dict": "INCAR", "action": {"_unset": {"NPAR": 1}}})) == [
        "INCAR: NPAR removed"
    ]
    assert corrections_of(tmp_path, "relax") == []
    first = Correction(stage="relax", handler="retry", errors=["x"], actions=["y"])
    record(tmp_path, [first])
    record(tmp_path, [first.model_copy(update={"stage": "static"})])
    assert [c.stage for c in load(tmp_path)] == ["relax", "static"]
