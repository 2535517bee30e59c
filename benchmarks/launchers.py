"""Scheduling overhead per job on a real SLURM of this machine, by both launchers.

Flows of two stub steps that compute nothing, so that all the time is overhead: handing over, SLURM, the
start of Python, reading inputs and writing outputs. Needs root, slurm-wlm and munge.

    python benchmarks/launchers.py --flows 200 --cores 2
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DOUBLES = Path(__file__).parents[1] / "tests" / "doubles"
sys.path.insert(0, str(DOUBLES))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flows", type=int, default=4)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--launchers", default="fireworks,remote")
    parser.add_argument("--batch", type=int, default=1, help="jobs of a SLURM job (remote)")
    options = parser.parse_args()
    from slurm_cluster import SlurmCluster, missing

    if missing():
        print(f"skipped: {missing()}")
        return
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    (folder / "slurm").mkdir()
    cluster = SlurmCluster(folder / "slurm", cores=options.cores)
    os.environ |= cluster.environment | {
        "SURFALIGN_DATA_DIRECTORY": str(folder / "data"),
        "OMP_NUM_THREADS": "1",
    }
    from surfalign.launchers.database import server

    cluster.start()
    try:
        for name in options.launchers.split(","):
            print(json.dumps(measure(name, folder, options)), flush=True)
    finally:
        cluster.stop()
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def measure(name: str, folder: Path, options: argparse.Namespace) -> dict[str, object]:
    import yaml

    from surfalign.launchers.cluster.launcher import JobState, open_launcher
    from surfalign.launchers.cluster.profiles import load_profile

    queue = {
        "partition": "cpu",
        "walltime": "1:00:00",
        "environment": {"PYTHONPATH": str(DOUBLES)},
        "batch": options.batch,
        "max_jobs": 50 if options.batch == 1 else options.cores,
    }
    content = {
        "launcher": name,
        "poll_interval": 1.0,
        "database": {"name": f"bench_{name}"},
        "clusters": {"local": {"work_directory": str(folder / name)}},
        "queues": {"cpu": queue},
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content))
    with open_launcher(load_profile(str(path))) as launcher:
        flows = [flow(i) for i in range(options.flows)]
        began = time.perf_counter()
        launcher.submit(flows)
        submitted = time.perf_counter() - began
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "surfalign.launchers.cli.main", "worker", "--once",
             "--profile", str(path)],
            check=True,
        )  # fmt: skip
        elapsed = time.perf_counter() - began
        states = [record.state for record in launcher.jobs()]
    return {
        "launcher": name,
        "flows": options.flows,
        "jobs": len(states),
        "done": states.count(JobState.DONE),
        "cores": options.cores,
        "jobs of a SLURM job": options.batch,
        "submission (ms a flow)": round(1000 * submitted / options.flows, 1),
        "elapsed (s)": round(elapsed, 1),
        "overhead (s a job and core)": round(elapsed * options.cores / len(states), 2),
    }


def flow(number: int) -> object:
    """Two stub steps of a crystal of its own."""
    import toy_engine
    from jobflow import Flow
    from pymatgen.core import Lattice, Structure

    from surfalign.workflows.identity import identify
    from surfalign.workflows.schema_cache import memoise_schema_access

    memoise_schema_access()
    half = 2.0 + 0.0005 * number
    lattice = Lattice([[0, half, half], [half, 0, half], [half, half, 0]])
    structure = Structure(lattice, ["Mg", "O"], [[0, 0, 0], [0.5] * 3])
    bulk = identify(toy_engine.ToyBulkMaker().make(structure), structure)
    edges = toy_engine.ToyBandEdgesMaker().make(bulk.output.structure, None)
    identify(edges, bulk.uuid)
    for job, step in ((bulk, "bulk"), (edges, "band edges")):
        job.metadata["step"] = step
    return Flow([bulk, edges], name=f"stub {number}")


if __name__ == "__main__":
    main()
