"""What goes wrong once is recovered with the right number; what goes wrong always is named."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
from jobflow import Flow, Job, JobStore
from maggma.stores import MemoryStore
from pymatgen.core import Structure
from stub_vasp_failures import MOMENTS

from surfalign.errors import (
    ConvergenceError,
    EngineError,
    EngineKilledError,
    InsufficientMemoryError,
)
from surfalign.launchers.local.run_flow import run_flow
from surfalign.stores.documents import Correction, SurfaceDescription
from surfalign.workflows.engines.vasp import maker
from surfalign.workflows.engines.vasp.makers import vasp_engine
from surfalign.workflows.engines.vasp.running import recoveries, runner

# Custodian and pymatgen warn of the very faults that are made here.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.processes]


@dataclass(frozen=True)
class Recovery:
    """A failure, the kind of calculation that has it, and what its record must say."""

    mode: str
    kind: str
    error: str
    action: str


RECOVERIES = [
    Recovery("walltime", "slab_relaxation", "wall time nearly used up", ""),
    Recovery("charge_sloshing", "slab_potential", "Charge sloshing", "INCAR: AMIX = 0.1"),
    Recovery("charge_sloshing", "dielectric", "Unconverged", "INCAR: ALGO = All"),
    Recovery("zbrent", "slab_relaxation", "zbrent", "CONTCAR copied to POSCAR"),
    Recovery("out_of_memory", "hybrid", "Out of memory", "INCAR: KPAR = 2"),
    Recovery("killed", "slab_relaxation", "Interrupted", ""),
    Recovery("nbands", "oriented_bulk", "too_few_bands", "INCAR: NBANDS = "),
    Recovery("truncated_vasprun", "dielectric", "ended without a result", "computed anew"),
    Recovery("segfault", "slab_potential", "Interrupted", ""),
    Recovery("interrupted", "hybrid", "Interrupted", ""),
    Recovery("hung", "slab_potential", "Frozen job", ""),
    Recovery("missing_wavecar", "semilocal", "left no WAVECAR", "computed anew"),
    Recovery("corrupt_wavecar", "hybrid", "ended without a result", "computed anew"),
    Recovery("edddav", "semilocal", "edddav", "INCAR: ALGO = All"),
    Recovery("eddrmm", "slab_relaxation", "eddrmm", "WAVECAR deleted"),
    Recovery("brmix", "bands", "brmix", ""),
    Recovery("disk_full", "slab_relaxation", "Interrupted", ""),
    Recovery("zpotrf", "slab_relaxation", "zpotrf", "INCAR: "),
]


class Steps:
    """The jobs of the engine on MgO, by the kind of calculation in them."""

    def __init__(self, bulk: Structure, surface: SurfaceDescription, directory: Path) -> None:
        engine = vasp_engine("quick")
        edges = (engine.band_edges_maker, (bulk, 3.05))
        self.makers: dict[str, Any] = {
            "dielectric": (engine.dielectric_maker, (bulk,)),
            "oriented_bulk": (engine.oriented_bulk_maker, (surface.oriented_bulk,)),
            "slab_relaxation": (engine.slab_relax_maker, (surface.slab,)),
            "slab_potential": (engine.slab_potential_maker, (surface.slab,)),
            "bands": edges,
            "semilocal": edges,
            "hybrid": edges,
        }
        self.directory = directory

    def run(self, kind: str) -> dict[str, Any]:
        """Run the step; return its stored output."""
        maker, inputs = self.makers[kind]
        job: Job = maker.make(*inputs)
        store = JobStore(MemoryStore())
        store.connect()
        failures = run_flow(Flow([job]), store, self.directory, reuse=False)
        for failure in failures:
            raise failure.error
        document = store.query_one({"uuid": job.uuid}, sort={"index": -1})
        assert document is not None
        output: dict[str, Any] = document["output"]
        return output


@pytest.fixture
def steps(
    mgo: Structure, mgo_surface: SurfaceDescription, tmp_path: Path, stub_engine: Path
) -> Steps:
    return Steps(mgo, mgo_surface, tmp_path / "runs")


@pytest.fixture(scope="module")
def references() -> Iterator[dict[str, dict[str, Any]]]:
    """Outputs of undisturbed steps, filled as they are needed."""
    return {}


def numbers(output: dict[str, Any]) -> dict[str, Any]:
    """What a step found, without how."""
    found = {
        key: value for key, value in output.items() if isinstance(value, float) or key in
        ("site_potentials", "planar_average", "dielectric_tensor")
    }  # fmt: skip
    if "structure" in output:
        found["positions"] = Structure.from_dict(output["structure"]).frac_coords
    return found


def assert_same(output: dict[str, Any], reference: dict[str, Any], tolerance: float) -> None:
    found, wanted = numbers(output), numbers(reference)
    assert set(found) == set(wanted)
    for key, value in wanted.items():
        if key in ("max_force", "max_displacement"):
            continue  # a continued relaxation stops somewhere else within its tolerance
        assert np.asarray(found[key]) == pytest.approx(np.asarray(value), abs=tolerance), key


def corrections(output: dict[str, Any]) -> list[Correction]:
    return [Correction.model_validate(c) for c in output["calculation"]["corrections"]]


def test_every_failure_of_the_stub_is_tried() -> None:
    assert {r.mode for r in RECOVERIES} | {"read_error", "not_hermitian"} == set(MOMENTS)
    assert len(MOMENTS) >= 12


@pytest.mark.parametrize("case", RECOVERIES, ids=lambda case: f"{case.kind}.{case.mode}")
def test_one_failure_is_recovered_with_the_right_number_and_recorded(
    case: Recovery,
    steps: Steps,
    stub_engine: Path,
    references: dict[str, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind = "hybrid" if case.kind in ("bands", "semilocal") else case.kind
    if kind not in references:
        references[kind] = steps.run(kind)
        assert corrections(references[kind]) == []
    failure = stub_engine / f"{case.kind}.{case.mode}"
    failure.touch()
    if case.mode == "walltime":
        nearly_over_without(failure, monkeypatch)
    output = steps.run(kind)
    assert list(stub_engine.iterdir()) == []  # it did fail
    relaxing = case.kind == "slab_relaxation"
    assert_same(output, references[kind], tolerance=3e-3 if relaxing else 1e-4)
    found = corrections(output)
    assert any(case.error in " ".join(c.errors) for c in found), found
    assert any(case.action in " ".join(c.actions) for c in found), found
    assert all(c.stage and c.handler for c in found)


def nearly_over_without(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a day pass for the engine when a run has removed the file, and the queue end its job then."""
    day = 24 * 3600.0
    clock = SimpleNamespace(time=lambda: time.time() + (0.0 if file.exists() else day))
    for module in (maker, recoveries, runner):
        monkeypatch.setattr(module, "time", clock)
    age = time.time() - psutil.Process().create_time()
    monkeypatch.setenv("SURFALIGN_WALL_TIME", str(age + day))


@pytest.mark.parametrize(
    ("kind", "mode", "error", "words"),
    [
        ("hybrid", "read_error", EngineError, "one_shot: read_error"),
        ("hybrid", "zpotrf", EngineError, "one_shot: zpotrf"),
        ("hybrid", "edddav", EngineError, "one_shot: edddav"),
        ("slab_potential", "read_error", EngineError, "static: read_error"),
        ("slab_potential", "segfault", EngineKilledError, "without a result"),
        ("slab_potential", "charge_sloshing", ConvergenceError, "nconverged"),
        ("dielectric", "out_of_memory", InsufficientMemoryError, "memory"),
        ("slab_potential", "hung", EngineError, "Frozen job"),
        ("slab_potential", "truncated_vasprun", EngineKilledError, "without a result"),
        ("semilocal", "missing_wavecar", EngineKilledError, "left no WAVECAR"),
    ],
)
def test_what_fails_always_ends_with_its_cause(
    kind: str,
    mode: str,
    error: type[Exception],
    words: str,
    steps: Steps,
    stub_engine: Path,
) -> None:
    (stub_engine / f"{kind}.{mode}").write_text("always")
    with pytest.raises(error, match=words):
        steps.run(kind)


def test_a_fault_that_would_end_a_one_shot_again_costs_one_run(
    steps: Steps, stub_engine: Path, tmp_path: Path
) -> None:
    failure = stub_engine / "hybrid.read_error"
    failure.write_text("always")
    with pytest.raises(EngineError, match="one_shot: read_error") as caught:
        steps.run("hybrid")
    assert not isinstance(caught.value, EngineKilledError)
    folders = {path.name for path in tmp_path.rglob("one_shot*") if path.is_dir()}
    assert folders == {"one_shot"}


def test_a_warning_in_a_run_that_ends_well_ends_nothing(steps: Steps, stub_engine: Path) -> None:
    for kind in ("slab_potential", "hybrid"):
        (stub_engine / f"{kind}.not_hermitian").touch()
        assert corrections(steps.run(kind)) == []
        assert list(stub_engine.iterdir()) == []


def test_a_build_that_writes_profiles_is_run_once(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_VASP_PROFILE", "600")
    for kind in ("slab_relaxation", "hybrid"):
        assert corrections(steps.run(kind)) == []


def test_the_spelling_of_vasp_5_2_is_understood(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_VASP_READ", "sucessfully")
    assert corrections(steps.run("hybrid")) == []
