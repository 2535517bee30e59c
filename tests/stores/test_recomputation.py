"""Results follow the stored documents of their steps, and today's formulas, without new calculations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pymongo.collection import Collection
from toy_engine import STEP, VBM, toy_engine

from surfalign.crystals.sources import load_crystal
from surfalign.errors import MetallicError
from surfalign.launchers.local.run_flow import run_flow
from surfalign.stores import builders, levels
from surfalign.stores.builders import SurfaceLevelsBuilder
from surfalign.stores.database import PROVENANCE, Database
from surfalign.stores.documents import ResultState
from surfalign.stores.query.results import find, get
from surfalign.workflows.flows import BandAlignmentMaker

LATER = "2099-01-01T00:00:00.000001"


def build(database: Database, **options: Any) -> int:
    return SurfaceLevelsBuilder(database.jobs, database.surface_levels, **options).run()


@pytest.fixture
def filled(database: Database, tmp_path: Path) -> Database:
    """Results of three surfaces of two crystals, built."""
    for name, indices in (("MgO", [(1, 0, 0), (1, 1, 0)]), ("SrO", [(1, 0, 0)])):
        maker = BandAlignmentMaker(engine=toy_engine(), miller_indices=indices)
        crystal = load_crystal(name)
        assert (
            run_flow(maker.make(crystal.structure, crystal.source), database.jobs, tmp_path) == []
        )
    assert build(database) == 3
    assert build(database) == 0
    # The molecules belong to slabs with changed oxygen: tests/workflows/test_oxygen.py.
    steps = {step for step in PROVENANCE if not step.endswith("molecule")}
    assert {step for d in find(database) for step in d.provenance} == steps
    return database


def collection(database: Database) -> Collection[dict[str, Any]]:
    return database.jobs._collection


def touch(database: Database, uuid: str, **changes: Any) -> None:
    """Store a step again, as a repeated calculation does."""
    fields = {f"output.{name}": value for name, value in changes.items()}
    collection(database).update_one({"uuid": uuid}, {"$set": {"completed_at": LATER, **fields}})


def test_the_recomputed_result_equals_that_of_the_run(filled: Database) -> None:
    of_the_run = list(find(filled, full=True))

    assert build(filled, recompute_all=True) == 3

    assert list(find(filled, full=True)) == of_the_run
    assert build(filled) == 0


def test_one_touched_potential_rebuilds_exactly_its_result(filled: Database) -> None:
    before = {d.identifier: d for d in find(filled, full=True)}
    chosen = next(d for d in before.values() if d.surface_name == "SrO(100)-A")
    uuid = chosen.provenance["slab_potential"]
    stored = collection(filled).find_one({"uuid": uuid})
    assert stored is not None
    # The inside of the slab lies 0.5 eV deeper, on the planes and on the sites.
    low = min(stored["output"]["planar_average"])
    high = max(stored["output"]["planar_average"])
    deeper = [v - 0.5 * (high - v) / (high - low) for v in stored["output"]["planar_average"]]
    sites = [v - 0.5 for v in stored["output"]["site_potentials"]]
    touch(filled, uuid, planar_average=deeper, site_potentials=sites)

    assert build(filled) == 1
    assert build(filled) == 0

    after = {d.identifier: d for d in find(filled, full=True)}
    mended = after.pop(chosen.identifier)
    assert mended.ionization_potential == pytest.approx(STEP - VBM + 0.5, abs=1e-3)
    assert mended.created_at == chosen.created_at
    del before[chosen.identifier]
    assert after == before


def test_a_touched_bulk_step_rebuilds_the_surfaces_of_its_crystal(filled: Database) -> None:
    [edges] = {d.provenance["band_edges"] for d in find(filled) if d.formula == "MgO"}
    touch(filled, edges, valence_band_maximum=VBM + 0.25)

    assert build(filled) == 2
    assert build(filled) == 0

    found = {d.surface_name: d.ionization_potential for d in find(filled)}
    assert found["SrO(100)-A"] == pytest.approx(STEP - VBM, abs=1e-3)
    assert found["MgO(100)-A"] == pytest.approx(STEP - VBM - 0.25, abs=1e-3)


def test_a_mended_formula_reaches_all_results_without_a_run(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    formula = levels.alignment.electron_affinity
    monkeypatch.setattr(levels.alignment, "electron_affinity", lambda ip, gap: formula(ip, gap) - 1)
    before = {d.identifier: d.electron_affinity for d in find(filled)}
    assert build(filled) == 0  # nobody said that the formulas are others

    newer = levels.LEVELS_VERSION + 1
    monkeypatch.setattr(builders, "LEVELS_VERSION", newer)
    monkeypatch.setattr(levels, "LEVELS_VERSION", newer)
    assert build(filled) == 3
    assert build(filled) == 0

    after = {d.identifier: d for d in find(filled)}
    assert {d.levels_version for d in after.values()} == {newer}
    for identifier, document in after.items():
        assert document.electron_affinity == pytest.approx(before[identifier] - 1)


def test_a_formula_that_refuses_leaves_a_failed_result_with_its_reason(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(ip: float, gap: float) -> float:
        raise MetallicError(f"a gap of {gap} eV", "a positive gap", "leave it out")

    monkeypatch.setattr(levels.alignment, "electron_affinity", refuse)

    assert build(filled, recompute_all=True) == 3
    assert build(filled) == 0

    for document in find(filled):
        assert document.state is ResultState.FAILED
        assert document.error is not None
        assert document.error.error == "MetallicError"
        assert document.ionization_potential is None
        assert document.surface_name.endswith("-A")


def test_a_result_whose_steps_are_gone_is_kept(filled: Database) -> None:
    [document] = [d for d in find(filled) if d.formula == "SrO"]
    collection(filled).delete_one({"uuid": document.provenance["slab_potential"]})

    assert build(filled) == 1  # what it was built from is another now
    assert build(filled) == 0
    assert build(filled, recompute_all=True) == 3

    assert get(filled, document.identifier).ionization_potential == document.ionization_potential
