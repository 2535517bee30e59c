"""Time the book-keeping of a campaign on the local database, and measure its documents.

``python benchmarks/campaign.py --surfaces 3000`` prints a table: flows built and submitted to FireWorks,
the same again, the status, results built, built again, one source touched, all computed again. The
engine is a stub, so nothing here is a result; FireWorks and the database are real. About five minutes.

With ``--baseline DIRECTORY``, another checkout, its own script is run first, and the CPU times stand side
by side: they tell what a busy machine hides.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bson
import psutil
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "doubles"))

import toy_engine
from fault_campaign import big_plan
from jobflow import JobStore
from maggma.stores import MemoryStore

from surfalign.crystals.sources import load_crystal
from surfalign.launchers.campaign.submission import submit_plan
from surfalign.launchers.cluster.launcher import open_launcher
from surfalign.launchers.cluster.profiles import load_profile
from surfalign.launchers.database.server import LocalServer
from surfalign.launchers.local.run_flow import run_flow
from surfalign.settings import load_settings
from surfalign.stores.builders import SurfaceLevelsBuilder
from surfalign.stores.campaign_register import Method
from surfalign.stores.database import Database, connect
from surfalign.workflows.engines import engine as engines
from surfalign.workflows.flows import BandAlignmentMaker
from surfalign.workflows.planning.plan_file import crystal_flow

METHOD = Method(engine="toy", quality="quick")
SERVER: list[psutil.Process] = []


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--surfaces", type=int, default=3000)
    parser.add_argument("--baseline", type=Path, help="another checkout to compare with")
    options = parser.parse_args()
    number = options.surfaces
    if options.baseline:
        compare(options.baseline, number)
        return
    engines.ENGINES["toy"] = "toy_engine:make_engine"
    with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
        directory = Path(folder)
        server = LocalServer(directory / "database")
        os.environ["SURFALIGN_DATABASE_URI"] = server.start()
        os.environ["SURFALIGN_DATA_DIRECTORY"] = str(directory / "data")
        try:
            SERVER.append(psutil.Process(server.status().pid))
            print("| what | number | time (s) | of CPU, here + server (s) | peak memory (MB) |")
            print("|---|---|---|---|---|")
            submission(directory, number)
            building(directory, number)
            sizes(directory)
        finally:
            server.stop()


def compare(baseline: Path, number: int) -> None:
    """Run the script of another checkout and this one; print the CPU times of both, and the ratios."""
    tables = []
    for tree in (baseline.resolve(), Path(__file__).resolve().parents[1]):
        command = [
            sys.executable,
            str(tree / "benchmarks" / "campaign.py"),
            "--surfaces",
            str(number),
        ]
        environment = os.environ | {"PYTHONPATH": str(tree / "src")}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        tables.append(dict(_cpu_times(done.stdout)))
        print(f"{tree}:\n{done.stdout}", flush=True)
    before, after = tables
    print("| what | CPU before (s) | CPU now (s) | now / before |")
    print("|---|---|---|---|")
    for what in (name for name in before if name in after):
        print(
            f"| {what} | {before[what]:.1f} | {after[what]:.1f} | {after[what] / before[what]:.2f} |"
        )


def _cpu_times(table: str) -> Iterator[tuple[str, float]]:
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        here, plus, there = cells[3].partition(" + ") if len(cells) == 5 else ("", "", "")
        if plus and there[0].isdigit():
            yield cells[0], max(float(here) + float(there), 0.05)


def cpu_time() -> tuple[float, float]:
    """CPU time of this process with its children, and of the database server (s)."""
    own, server = psutil.Process().cpu_times(), SERVER[0].cpu_times()
    here = own.user + own.system + own.children_user + own.children_system
    return here, server.user + server.system


def timed(what: str, act: Callable[[], Any], count: Callable[[Any], object]) -> None:
    """Time an act and print a row; CPU times tell what a busy machine hides."""
    here, there = cpu_time()
    started = time.perf_counter()
    outcome = act()
    seconds = time.perf_counter() - started
    here, there = (after - before for after, before in zip(cpu_time(), (here, there), strict=True))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(
        f"| {what} | {count(outcome)} | {seconds:.1f} | {here:.1f} + {there:.1f} | {memory:.0f} |",
        flush=True,
    )


def submission(directory: Path, number: int) -> None:
    """Submit a plan of one surface a crystal, twice, and ask for the status."""
    os.environ["SURFALIGN_DATABASE_NAME"] = "submission"
    plan = big_plan(directory / "plan.jsonl", number)
    profile = directory / "profile.yaml"
    content = {
        "launcher": "fireworks",
        "clusters": {"local": {"work_directory": str(directory / "work")}},
        "queues": {"cpu": {"partition": "cpu"}, "gpu": {"partition": "gpu"}},
        "steps": {"default": "cpu", "band edges": "gpu"},
    }
    profile.write_text(yaml.safe_dump(content))
    with (
        connect(load_settings()) as database,
        open_launcher(load_profile(str(profile))) as launcher,
    ):

        def submit() -> Any:
            return submit_plan(plan, METHOD, launcher, database, campaign="benchmark")

        timed("flows built and submitted", submit, lambda report: report.flows)
        timed("the same plan again", submit, lambda report: f"{report.flows} new")
    command = [sys.executable, "-m", "surfalign.launchers.cli.main", "status", "--json"]
    command += ["--profile", str(profile)]

    def status() -> Any:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return json.loads(done.stdout)

    timed("status of it, the whole command", status, lambda report: report["surfaces"])


def building(directory: Path, number: int) -> None:
    """Build results from the outputs of as many surfaces with their steps."""
    os.environ["SURFALIGN_DATABASE_NAME"] = "building"
    with connect(load_settings()) as database:
        touched = fill(database, directory, number)

        def build(**options: Any) -> int:
            return SurfaceLevelsBuilder(database.jobs, database.surface_levels, **options).run()

        timed("results built", build, lambda written: written)
        timed("second pass", build, lambda written: f"{written} touched")
        database.jobs._collection.update_one(
            {"uuid": touched}, {"$set": {"completed_at": "2099-01-01T00:00:00"}}
        )
        timed("one potential touched", build, lambda written: f"{written} rebuilt")
        timed(
            "all levels computed again",
            lambda: build(recompute_all=True),
            lambda written: written,
        )


def outputs(directory: Path) -> list[dict[str, Any]]:
    """Outputs of the steps of one surface of 66 atoms."""
    store = JobStore(MemoryStore())
    store.connect()
    engine = toy_engine.toy_engine(slab_thickness=35.0)
    maker = BandAlignmentMaker(engine=engine, miller_indices=[(1, 1, 0)])
    crystal = load_crystal("TiO2-rutile")
    assert not run_flow(maker.make(crystal.structure, crystal.source), store, directory / "runs")
    return list(store.query())


def fill(database: Database, directory: Path, number: int) -> str:
    """Store the outputs of many surfaces; return the uuid of a potential."""
    made = outputs(directory)
    batch: list[dict[str, Any]] = []
    for index in range(number):
        batch += renamed(made, index)
        if len(batch) > 200 or index == number - 1:
            database.jobs._collection.insert_many(batch)
            batch = []
    [potential] = [
        d for d in renamed(made, number // 2) if d["metadata"]["step"] == "slab potential"
    ]
    uuid: str = potential["uuid"]
    return uuid


def renamed(documents: list[dict[str, Any]], index: int) -> Iterator[dict[str, Any]]:
    """Yield the documents as those of another surface."""
    for original in documents:
        document = copy.deepcopy(original)
        document.pop("_id", None)
        document["uuid"] = f"{index:06d}{document['uuid'][6:]}"
        output = document["output"]
        if output["@class"] == "SurfaceLevelsDocument":
            output["identifier"] += f"-{index:06d}"
            steps = output["provenance"]
            output["provenance"] = {k: f"{index:06d}{v[6:]}" for k, v in steps.items()}
        yield document


def sizes(directory: Path) -> None:
    """Print the sizes of documents for a small slab and for one larger than any plan holds."""
    print("\n| document | slab (atoms) | size (kB) |\n|---|---|---|")
    for thickness in (20.0, 160.0):
        store = JobStore(MemoryStore())
        store.connect()
        engine = toy_engine.toy_engine(slab_thickness=thickness)
        crystal = load_crystal("TiO2-rutile")
        maker = BandAlignmentMaker(engine=engine, miller_indices=[(1, 1, 0)])
        run_flow(maker.make(crystal.structure, crystal.source), store, directory / "runs")
        documents = {d["metadata"]["step"]: d["output"] for d in store.query()}
        n_atoms = len(documents["slab potential"]["structure"]["sites"])
        for step in ("surfaces", "slab relaxation", "slab potential", "alignment"):
            print(f"| {step} | {n_atoms} | {len(bson.encode(documents[step])) / 1e3:.0f} |")
    flow = crystal_flow(crystal.structure, "", [("TiO2(110)-B-O/Ti2O2", (1, 1, 0))], engine)
    largest = max(len(bson.encode({"job": json.loads(job.to_json())})) for job in flow.jobs)
    print(f"| job of a bulk step | - | {largest / 1e3:.0f} |")


if __name__ == "__main__":
    main()
