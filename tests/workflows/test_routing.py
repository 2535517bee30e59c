"""Routing: jobs get the queue of their step, also those that are added while a flow runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import toy_engine
from jobflow import JobStore

from surfalign.crystals.sources import load_crystal
from surfalign.errors import TerminationError
from surfalign.launchers.local.run_flow import run_flow
from surfalign.workflows.planning.plan_file import crystal_flow
from surfalign.workflows.routing import ROUTES, STEPS, jobs_of, route

ROUTING = {step: {"queue": step.replace(" ", "_")} for step in STEPS}
NAME = ("MgO(100)-A", (1, 0, 0))


def test_every_job_of_a_flow_gets_the_queue_of_its_step() -> None:
    mgo = load_crystal("MgO")
    flow = crystal_flow(mgo.structure, mgo.source, [NAME], toy_engine.toy_engine())
    uuids = [job.uuid for job in jobs_of(flow)]
    route(flow, ROUTING)
    for job in jobs_of(flow):
        assert job.config.manager_config["queue"] == job.metadata["step"].replace(" ", "_")
        assert (ROUTES in job.config.manager_config) is (job.metadata["step"] == "surfaces")
    # Where something runs is no part of what it is.
    assert [job.uuid for job in jobs_of(flow)] == uuids


def test_a_step_that_is_not_named_goes_where_the_machine_is_that_it_declares() -> None:
    mgo = load_crystal("MgO")
    flow = crystal_flow(mgo.structure, mgo.source, [NAME], toy_engine.toy_engine())
    bulk, dielectric, edges, surfaces = jobs_of(flow)
    edges.metadata["resources"] = bulk.metadata["resources"] = {"kind": "gpu"}
    named = {name: {"queue": name} for name in ("bulk", "gpu", "default")}
    route(flow, named)
    queues = [job.config.manager_config["queue"] for job in (bulk, dielectric, edges, surfaces)]
    assert queues == ["bulk", "default", "gpu", "default"]


def test_jobs_that_are_added_later_get_the_queue_of_their_own_step(
    store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobflow import Response

    mgo = load_crystal("MgO")
    flow = crystal_flow(mgo.structure, mgo.source, [NAME], toy_engine.toy_engine())
    route(flow, ROUTING)
    added = {}
    original = Response.from_job_returns

    def spy(returns: object, *arguments: object, **options: object) -> Response:
        response = original(returns, *arguments, **options)
        for job in jobs_of(response.addition) if response.addition else ():
            added[job.metadata["step"]] = job
        return response

    monkeypatch.setattr(Response, "from_job_returns", spy)
    assert run_flow(flow, store, tmp_path) == []
    assert set(added) == {"oriented bulk", "slab relaxation", "slab potential", "alignment"}
    for step, job in added.items():
        assert job.config.manager_config == {"queue": step.replace(" ", "_")}


def test_a_flow_computes_the_named_surfaces_and_no_others(store: JobStore, tmp_path: Path) -> None:
    crystal = load_crystal("Li2O")
    (surface,) = [("Li2O(111)-B-Li/O", (1, 1, 1))]
    flow = crystal_flow(crystal.structure, crystal.source, [surface], toy_engine.toy_engine())
    assert run_flow(flow, store, tmp_path) == []
    (result,) = store.query({"output.@class": "SurfaceLevelsDocument"})
    assert result["output"]["surface_name"] == "Li2O(111)-B-Li/O"


def test_a_name_that_does_not_exist_is_an_error_that_lists_those_that_do(
    store: JobStore, tmp_path: Path
) -> None:
    mgo = load_crystal("MgO")
    wrong = ("MgO(100)-B", (1, 0, 0))
    flow = crystal_flow(mgo.structure, mgo.source, [NAME, wrong], toy_engine.toy_engine())
    (failure,) = run_flow(flow, store, tmp_path)
    assert isinstance(failure.error, TerminationError)
    assert "no surface MgO(100)-B" in str(failure.error)
    assert "MgO(100)-A" in failure.error.expected
