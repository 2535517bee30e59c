"""A store that version 0.1 wrote is used on: nothing is computed, stored or submitted twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bson import json_util
from jobflow import Job, JobStore
from maggma.stores import MemoryStore
from memory_launcher import MemoryLauncher

from surfalign import moved_modules
from surfalign.crystals.sources import load_crystal
from surfalign.errors import MissingDependencyError
from surfalign.launchers.campaign.submission import engine_of, planned, release, submit_plan
from surfalign.launchers.cluster.fireworks.task import decoded_job
from surfalign.launchers.cluster.launcher import JobRecord, JobState
from surfalign.launchers.local.run_crystals import CrystalOutcome, run_crystals
from surfalign.stores.campaign_register import CampaignRegister, Method
from surfalign.stores.database import Database
from surfalign.stores.documents import BandEdgesDocument, BulkDocument
from surfalign.stores.query.results import find, get
from surfalign.workflows.earlier_uuids import EarlierUuids, earlier_uuids
from surfalign.workflows.engines import engine as engines
from surfalign.workflows.engines.engine import get_engine
from surfalign.workflows.flows import BandAlignmentMaker, surface_jobs
from surfalign.workflows.identity import without_finished
from surfalign.workflows.surface_jobs import describe_surfaces

FOLDER = Path(__file__).parents[1] / "stores" / "store_of_0_1"
METHOD = Method(engine="gpaw", quality="quick")
QUICK = {"quality": "quick", "functional": "ddh"}
RESULT = "MgO-100-A-ddh-010a7efb"
RELAXATION = "85891042-6278-51f9-968b-d0e301d16a1d"


@pytest.fixture(autouse=True)
def engine_of_the_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The embedded engine with the presets that wrote this store; today's make other calculations."""
    monkeypatch.setitem(engines.ENGINES, "gpaw", "earlier_gpaw:make_engine")
    engine_of.cache_clear()  # tests of one process share it
    yield
    engine_of.cache_clear()


def lines(name: str) -> list[dict[str, Any]]:
    return [json_util.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()]


@pytest.fixture
def earlier(database: Database) -> Database:
    """The database, with all that version 0.1 left in it."""
    for name in ("jobs", "surface_levels", "campaign_crystals", "campaign_surfaces"):
        database.collection(name).insert_many(lines(name))
    return database


@pytest.fixture
def queue() -> MemoryLauncher:
    """A launcher in which the jobs of version 0.1 wait."""
    launcher = MemoryLauncher()
    launcher.records += [
        JobRecord(
            uuid=job["uuid"],
            name=job["name"],
            step=job["metadata"]["step"],
            state=JobState.WAITING,
            metadata=job["metadata"],
        )
        for job in lines("queue")
    ]
    return launcher


def magnesia() -> BandAlignmentMaker:
    engine = get_engine("gpaw", **QUICK)
    return BandAlignmentMaker(engine=engine, miller_indices=[(1, 0, 0)])


def run_magnesia(database: Database, folder: Path, events: list[str]) -> CrystalOutcome:
    (outcome,) = run_crystals(
        [magnesia()], [load_crystal("MgO")], database, folder, on_event=events.append
    )
    return outcome


def test_a_run_finds_the_results_again_and_computes_nothing(
    earlier: Database, tmp_path: Path
) -> None:
    before = get(earlier, RESULT)
    uuids = {job["uuid"] for job in lines("jobs")}
    for _ in range(2):
        events: list[str] = []
        outcome = run_magnesia(earlier, tmp_path, events)
        assert events == ["MgO surfaces: started"]  # which only cuts the slabs
        assert outcome.reused == {RESULT}
        assert {job["uuid"] for job in earlier.collection("jobs").find()} == uuids
        assert [result.identifier for result in find(earlier)] == [RESULT]
        (after,) = outcome.documents
        assert after.ionization_potential == before.ionization_potential
        assert after.provenance == before.provenance


def test_what_is_missing_in_it_is_computed_from_what_is_there(earlier: Database) -> None:
    lost = {"metadata.step": {"$in": ["slab potential", "alignment"]}}
    assert earlier.collection("jobs").delete_many(lost).deleted_count == 2
    flow = magnesia().make(load_crystal("MgO").structure, "", earlier_uuids(earlier))
    rest = without_finished(flow, earlier.jobs)
    assert rest is not None
    (surfaces,) = rest.jobs
    addition = surfaces.run(earlier.jobs).addition
    assert [job.name for job in addition.jobs] == [
        "MgO(100)-A slab potential", "MgO(100)-A alignment",
    ]  # fmt: skip
    assert addition.jobs[-1].function_args[1]["slab_relaxation"] == RELAXATION


def test_a_store_that_version_0_1_never_wrote_to_is_not_asked(database: Database) -> None:
    assert earlier_uuids(database) is None
    database.jobs.update([{"uuid": "a", "index": 1, "output": {"@version": "0.2.0"}}])
    submit_plan(FOLDER / "plan.jsonl", METHOD, MemoryLauncher(), database, campaign="new")
    assert earlier_uuids(database) is None
    database.collection("campaign_crystals").update_many({}, {"$unset": {"registered_with": ""}})
    assert earlier_uuids(database) is not None


def test_steps_of_vasp_keep_their_uuids() -> None:
    uuids = [
        "126c295d-37d1-5c4f-b6a7-d1dd6288922f", "4bb2bbe5-76c1-5255-b24c-f3535bbf8f08",
        "89871d79-eb23-5cbb-9a57-057f507701b3", "30a96bc3-f1e8-5122-a06d-d89813e46472",
        "9740037e-7a44-58ef-a5b8-f06f225f5462", "35c83960-752a-5c8f-bee0-0e9857a3c0a5",
        "4773828c-d9f3-5f45-8488-7c0b569c3da3", "9bf57b13-f17d-5779-9166-112ddf48ca58",
    ]  # fmt: skip
    store = JobStore(MemoryStore())
    store.connect()
    store.update([{"uuid": uuid, "index": 1, "output": {"n": 1}} for uuid in uuids])
    # the cut-off that quick had then: at today's its steps are other calculations
    engine = get_engine("vasp", **QUICK, cutoff=400.0)
    structure = load_crystal("MgO").structure
    jobs = BandAlignmentMaker(engine=engine, miller_indices=[(1, 0, 0)]).make(
        structure, "", EarlierUuids(store)
    ).jobs  # fmt: skip
    (surface,) = describe_surfaces(
        structure,
        source="",
        miller_indices=[(1, 0, 0)],
        max_index=None,
        slab_thickness=engine.slab_thickness,
        vacuum_thickness=engine.vacuum_thickness,
    )
    earlier = EarlierUuids.of_slabs(store, uuids[0], structure, [surface])
    bulk = BulkDocument.model_construct(structure=structure)
    edges = BandEdgesDocument.model_construct(functional="ddh")
    provenance = dict(zip(("bulk", "dielectric", "band_edges"), uuids, strict=False))
    jobs = [
        *jobs,
        *surface_jobs(
            engine, surface, bulk, edges, None, provenance, relax_slab=True, earlier=earlier
        ),
    ]
    assert [job.uuid for job in jobs] == uuids


def test_results_are_found_by_the_identifier_that_their_surface_has_now(
    earlier: Database, tmp_path: Path
) -> None:
    (surface,) = lines("jobs")[3]["output"]["surfaces"]
    run_magnesia(earlier, tmp_path, [])
    (result,) = find(earlier)
    assert result.surface_identifier != surface["identifier"]
    query = f"surface_identifier = '{result.surface_identifier}'"
    assert [found.identifier for found in find(earlier, query)] == [RESULT]


def test_a_plan_that_was_submitted_is_not_submitted_again(
    earlier: Database, queue: MemoryLauncher
) -> None:
    plan = FOLDER / "plan.jsonl"
    assert planned(plan, METHOD, earlier).new == 0
    report = submit_plan(plan, METHOD, queue, earlier, campaign="after")
    assert (report.surfaces, report.new, report.flows, report.waiting) == (8, 0, 0, 0)
    assert queue.flows == []
    assert set(CampaignRegister(earlier).surfaces.distinct("campaigns")) == {"before", "after"}


def test_new_surfaces_wait_for_bulk_steps_that_version_0_1_submitted(
    earlier: Database, queue: MemoryLauncher
) -> None:
    removed = earlier.collection("campaign_surfaces").delete_one({"name": "SrO(110)-A"})
    assert removed.deleted_count == 1
    report = submit_plan(FOLDER / "plan.jsonl", METHOD, queue, earlier, campaign="after")
    assert (report.new, report.flows, report.waiting) == (1, 0, 1)
    assert release(queue, earlier) == 0


def test_jobs_of_a_queue_still_run(earlier: Database) -> None:
    jobs = [decoded_job(json.dumps(job)) for job in lines("queue")]
    assert {type(job.maker).__name__ for job in jobs} == {
        "GpawBulkMaker", "GpawDielectricMaker", "GpawBandEdgesMaker", "SurfacesMaker",
    }  # fmt: skip
    (surfaces,) = [job for job in jobs if job.name == "MgO surfaces"]
    response = surfaces.run(earlier.jobs)
    # Slabs that are cut now are relaxed as they are relaxed now: these are other results.
    assert RESULT not in response.output.result_identifiers
    added = {job.name for job in response.addition.jobs}
    assert {f"{s.name} slab relaxation" for s in response.output.surfaces} <= added


def test_jobs_of_a_queue_run_after_their_modules_have_moved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, now = "surfalign.before.makers", "surfalign.workflows.engines.gpaw.makers"
    document = json.dumps(lines("queue")[0])
    monkeypatch.setitem(moved_modules.MOVED, "surfalign.before", now.rpartition(".")[0])
    job = decoded_job(document.replace(now, before))
    assert isinstance(job, Job)
    assert type(job.maker).__module__ == now
    assert type(job.maker) is type(decoded_job(document).maker)


def test_a_job_of_a_package_that_is_missing_says_so() -> None:
    document = json.dumps(lines("queue")[0])
    for module in ("gpaw.presets", "gpaw.makers"):
        gone = document.replace(f"surfalign.workflows.engines.{module}", "gone.makers")
        with pytest.raises(MissingDependencyError, match=r"not here: gone\.makers"):
            decoded_job(gone)
