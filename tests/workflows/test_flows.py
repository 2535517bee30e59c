from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import toy_engine
from jobflow import JobStore
from monty.json import jsanitize
from pymatgen.core import Structure
from toy_engine import GAP, STEP, VBM

from surfalign.crystals.sources import load_crystal
from surfalign.launchers.local.run_flow import run_flow
from surfalign.stores.documents import ResultState, SurfaceLevelsDocument
from surfalign.stores.recomputation import can_recompute, recompute
from surfalign.workflows.flows import BandAlignmentMaker
from surfalign.workflows.identity import content_uuid
from surfalign.workflows.surface_jobs import BETWEEN_LAYERS, HALVED_PLANE, describe_surfaces


@pytest.fixture(scope="module")
def mgo() -> Structure:
    return load_crystal("MgO").structure


def results(store: JobStore) -> list[SurfaceLevelsDocument]:
    outputs = [doc["output"] for doc in store.query({"output.@class": "SurfaceLevelsDocument"})]
    return [SurfaceLevelsDocument.model_validate(output) for output in outputs]


def run(
    structure: Structure, store: JobStore, directory: Path, **options: object
) -> tuple[list[SurfaceLevelsDocument], list[str]]:
    """Run a flow; return the results and the steps that were executed."""
    engine = options.pop("engine", None) or toy_engine.toy_engine()
    maker = BandAlignmentMaker(engine=engine, **options)
    toy_engine.EXECUTED.clear()
    failures = run_flow(maker.make(structure, "test"), store, directory, reuse=maker.reuse)
    assert [str(f.error) for f in failures] == []
    return results(store), list(toy_engine.EXECUTED)


def test_the_levels_of_the_toy_engine_come_back_exactly(
    mgo: Structure, store: JobStore, tmp_path: Path
) -> None:
    (result,), steps = run(mgo, store, tmp_path, miller_indices=[(1, 0, 0)])
    assert result.state is ResultState.PASSED, result.failed_checks
    assert result.ionization_potential == pytest.approx(STEP - VBM, abs=1e-6)
    assert result.electron_affinity == pytest.approx(STEP - VBM - GAP, abs=1e-6)
    assert result.ionization_potential_site_potentials == pytest.approx(STEP - VBM, abs=1e-6)
    assert result.surface_energy == pytest.approx(toy_engine.GAMMA * 16.02176634, rel=1e-6)
    assert result.miller_index == (1, 0, 0)
    assert {"vacuum_plateau", "site_potential_alignment"} <= {c.name for c in result.checks}
    assert [t.step for t in result.timings] == [
        "bulk", "dielectric", "band_edges", "oriented_bulk", "slab_relaxation", "slab_potential",
    ]  # fmt: skip
    assert len(steps) == 6


def test_bulk_steps_run_once_for_all_surfaces(
    mgo: Structure, store: JobStore, tmp_path: Path
) -> None:
    found, steps = run(mgo, store, tmp_path, max_index=1)
    assert len(found) >= 2
    assert len({result.identifier for result in found}) == len(found)
    assert [steps.count(name) for name in ("dielectric", "band_edges")] == [1, 1]


def test_a_second_run_computes_nothing_and_a_new_surface_only_its_slab(
    mgo: Structure, store: JobStore, tmp_path: Path
) -> None:
    run(mgo, store, tmp_path, miller_indices=[(1, 0, 0)])
    found, steps = run(mgo, store, tmp_path, miller_indices=[(1, 0, 0)])
    assert steps == []
    assert len(found) == 1
    found, steps = run(mgo, store, tmp_path, miller_indices=[(1, 0, 0), (1, 1, 0)])
    assert sorted(steps) == ["bulk", "slab_potential", "slab_relaxation"]  # bulk: oriented cell
    assert len(found) == 2


def test_force_recomputes_without_duplicates(
    mgo: Structure, store: JobStore, tmp_path: Path
) -> None:
    run(mgo, store, tmp_path, miller_indices=[(1, 0, 0)])
    found, steps = run(mgo, store, tmp_path, miller_indices=[(1, 0, 0)], reuse=False)
    assert len(steps) == 6
    assert len(found) == 1


def test_other_settings_are_another_result(mgo: Structure, store: JobStore, tmp_path: Path) -> None:
    run(mgo, store, tmp_path, miller_indices=[(1, 0, 0)])
    found, _ = run(
        mgo, store, tmp_path, miller_indices=[(1, 0, 0)], engine=toy_engine.toy_engine(gap=7.0)
    )
    assert len(found) == 2


def test_a_vacuum_that_is_not_flat_is_stored_as_flagged(
    mgo: Structure, store: JobStore, tmp_path: Path
) -> None:
    engine = toy_engine.toy_engine(tilt=0.02)
    (result,), _ = run(mgo, store, tmp_path, miller_indices=[(1, 0, 0)], engine=engine)
    assert result.state is ResultState.FLAGGED
    assert "vacuum_plateau" in result.failed_checks


def test_a_metal_costs_no_slab(mgo: Structure, store: JobStore, tmp_path: Path) -> None:
    maker = BandAlignmentMaker(
        engine=toy_engine.toy_engine(fails_for="MgO"), miller_indices=[(1, 0, 0)]
    )
    (failure,) = run_flow(maker.make(mgo), store, tmp_path)
    assert type(failure.error).__name__ == "ConvergenceError"
    assert failure.metadata["step"] == "slab relaxation"
    assert results(store) == []


def test_unrelaxed_slabs_skip_the_relaxation(
    mgo: Structure, store: JobStore, tmp_path: Path
) -> None:
    (result,), steps = run(mgo, store, tmp_path, miller_indices=[(1, 0, 0)], relax_slabs=False)
    assert "slab_relaxation" not in steps
    assert not result.relaxed


def test_a_relaxation_that_returns_the_potential_needs_no_step_for_it(
    mgo: Structure, store: JobStore, tmp_path: Path
) -> None:
    engine = toy_engine.toy_engine()
    (apart,), _ = run(mgo, store, tmp_path, miller_indices=[(1, 0, 0)], engine=engine)
    engine.slab_relax_maker = toy_engine.ToyWholeRelaxMaker()
    found, steps = run(mgo, store, tmp_path, miller_indices=[(1, 0, 0)], engine=engine)
    (whole,) = [result for result in found if result.identifier != apart.identifier]
    assert steps == ["slab_relaxation"]
    assert "slab_potential" not in whole.provenance
    assert whole.timings[-1].step == "slab_relaxation"
    assert whole.level_corrections == {"relaxation": 0.04, "held_centre": -0.005}
    assert whole.ionization_potential == pytest.approx(apart.ionization_potential + 0.035)
    assert whole.electron_affinity == pytest.approx(apart.electron_affinity + 0.035)
    assert whole.potential_step == apart.potential_step
    assert whole.surface_energy == apart.surface_energy
    outputs = {name: store.get_output(uuid) for name, uuid in whole.provenance.items()}
    stored = jsanitize(whole, strict=True, enum_values=True, allow_bson=True)
    assert can_recompute(stored, outputs)
    again = recompute(stored, outputs)
    assert again["ionization_potential"] == whole.ionization_potential
    assert again["timings"] == stored["timings"]


def test_the_error_of_a_level_is_made_of_what_is_known_of_its_steps(
    mgo: Structure, store: JobStore, tmp_path: Path
) -> None:
    engine = toy_engine.toy_engine()
    (unknown,), _ = run(mgo, store, tmp_path, miller_indices=[(1, 0, 0)], engine=engine)
    assert unknown.convergence_error is None  # its relaxation says nothing of the level
    assert unknown.level_corrections == {}
    engine.slab_relax_maker = toy_engine.ToyWholeRelaxMaker()
    found, _ = run(mgo, store, tmp_path, miller_indices=[(1, 0, 0)], engine=engine)
    (known,) = [result for result in found if result.identifier != unknown.identifier]
    parts = {name: pytest.approx(part, abs=1e-6) for name, part in known.convergence_parts.items()}
    assert parts == {"alignment": 0.0, "relaxation": 0.02, "held_centre": 0.005}
    assert known.convergence_error == pytest.approx(np.hypot(0.02, 0.005), abs=1e-6)


def test_identities_ignore_labels_and_noise_and_nothing_else(mgo: Structure) -> None:
    moved = mgo.copy()
    moved.translate_sites([0], [1e-10, 0, 0])
    assert content_uuid(mgo, {"name": "a"}) == content_uuid(moved, {"name": "b"})
    strained = mgo.copy().apply_strain(1e-4)
    assert content_uuid(mgo) != content_uuid(strained)


@pytest.mark.serial
@pytest.mark.parametrize(
    ("name", "index", "notes"),
    [
        ("MoS2", (0, 0, 1), [BETWEEN_LAYERS]),
        ("MgO", (1, 0, 0), []),
        ("ZnS-zincblende", (1, 0, 0), [HALVED_PLANE]),
    ],
)
def test_slabs_of_layers_and_with_halved_planes_say_so(
    name: str, index: tuple[int, int, int], notes: list[str]
) -> None:
    surface, *_ = describe_surfaces(
        load_crystal(name).structure,
        source="test",
        miller_indices=[index],
        max_index=None,
        slab_thickness=10.0,
        vacuum_thickness=15.0,
    )
    assert surface.crystal_notes == notes


def test_a_graph_is_built_in_milliseconds(mgo: Structure) -> None:
    maker = BandAlignmentMaker(engine=toy_engine.toy_engine(), miller_indices=[(1, 0, 0)])
    maker.make(mgo)
    start = time.process_time()
    for _ in range(20):
        maker.make(mgo)
    # Without the memoised schemas this takes about 0.1 s each; the bound leaves room for a slow machine.
    assert (time.process_time() - start) / 20 < 0.04
