"""CPU and time per job on a real SLURM of this machine: by both launchers, alone and several in a SLURM job.

The steps are stubs that compute next to nothing, so that all is overhead: handing over, SLURM, the start of
Python, reading inputs and writing outputs. Needs root, slurm-wlm and munge. With another checkout as
``--baseline`` that one is measured as well, in turns:

    git worktree add ../before COMMIT
    python benchmarks/launchers.py --surfaces 10 --allocations 1,25 --baseline ../before
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
from typing import Any

import yaml

HERE = Path(__file__).parents[1]
sys.path.insert(0, str(HERE / "tests" / "doubles"))
PLAN = "import pathlib, sys, fault_campaign as f; f.big_plan(pathlib.Path(sys.argv[1]), int(sys.argv[2]))"
COLUMNS = ("code", "launcher", "jobs per SLURM job", "jobs", "SLURM jobs", "CPU of the jobs (s each)",
           "CPU of the worker (s each)", "elapsed (s)")  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--surfaces", type=int, default=10, help="surfaces of eight jobs each")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--launchers", default="fireworks", help="fireworks, remote or both")
    parser.add_argument("--allocations", default="1,25", help="jobs per SLURM job")
    parser.add_argument("--baseline", type=Path, help="another checkout, with one job each")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    from slurm_cluster import SlurmCluster, missing

    if missing():
        print(f"skipped: {missing()}")
        return
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    (folder / "slurm").mkdir()
    cluster = SlurmCluster(folder / "slurm", cores=options.cores)
    os.environ |= cluster.environment | {"OMP_NUM_THREADS": "1"}
    cluster.start()
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    try:
        for number in range(options.rounds):
            for launcher in options.launchers.split(","):
                runs = [(HERE, int(size)) for size in options.allocations.split(",")]
                runs[:0] = [(options.baseline, 1)] if options.baseline else []
                for tree, size in runs:
                    place = (
                        folder / f"{number}-{launcher}-{'new' if tree == HERE else 'old'}-{size}"
                    )
                    print(f"| {' | '.join(map(str, Run(tree, place, launcher, size, options).row()))} |",
                          flush=True)  # fmt: skip
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Run:
    """One campaign of stubs by the code of one checkout, through its command line only.

    Parameters
    ----------
    tree
        The checkout.
    folder
        Where everything is put.
    launcher, size
        Launcher, and jobs per SLURM job.
    options
        Of the command line.
    """

    def __init__(
        self, tree: Path, folder: Path, launcher: str, size: int, options: argparse.Namespace
    ) -> None:
        self.tree, self.folder, self.launcher, self.size = tree.resolve(), folder, launcher, size
        self.options = options
        self.path = os.pathsep.join(str(self.tree / part) for part in ("src", "tests/doubles"))
        (folder / "times").mkdir(parents=True)
        self.profile = folder / "profile.yaml"
        self.profile.write_text(yaml.safe_dump(self._content()))

    def _content(self) -> dict[str, Any]:
        queue: dict[str, Any] = {
            "partition": "cpu",
            "walltime": "1:00:00",
            "environment": {"PYTHONPATH": self.path},
            "max_jobs": 50 if self.size == 1 else self.options.cores,
            # The shell's last words: CPU of itself and of all that it ran.
            "commands": [f"trap 'times > {self.folder}/times/$SLURM_JOB_ID' EXIT"],
        }
        if self.size > 1:
            queue["jobs_per_allocation"] = self.size
        return {
            "launcher": self.launcher,
            "poll_interval": 1.0,
            "clusters": {"local": {"work_directory": str(self.folder / "work")}},
            "queues": {"cpu": queue},
        }

    def row(self) -> tuple[object, ...]:
        """Run it; return a row of the table."""
        plan = self.folder / "plan.jsonl"
        self._python("-c", PLAN, str(plan), str(self.options.surfaces))
        try:
            profile = ("--profile", str(self.profile))
            self._cli("submit", str(plan), *profile, "--engine", "toy", "--quality", "quick")
            began, before = time.perf_counter(), os.times()
            self._cli("worker", "--once", *profile)
            elapsed, after = time.perf_counter() - began, os.times()
            status = json.loads(self._cli("status", "--json", *profile))
        finally:
            self._cli("db", "stop")
        jobs = 8 * self.options.surfaces
        if status["done"] != self.options.surfaces:
            raise RuntimeError(f"{status['done']} of {self.options.surfaces} surfaces are done")
        # The worker's clients of SLURM belong to it; the database, a daemon, does not.
        worker = sum(after[2:4]) - sum(before[2:4])
        files = list((self.folder / "times").iterdir())
        cpu = sum(map(_seconds, files))
        code = "this" if self.tree == HERE else "baseline"
        return (code, self.launcher, self.size, jobs, len(files), f"{cpu / jobs:.2f}",
                f"{worker / jobs:.2f}", f"{elapsed:.0f}")  # fmt: skip

    def _cli(self, *arguments: str) -> str:
        return self._python("-m", "toy_cli", *arguments)

    def _python(self, *arguments: str) -> str:
        environment = os.environ | {
            "PYTHONPATH": self.path,
            "SURFALIGN_DATA_DIRECTORY": str(self.folder / "data"),
        }
        done = subprocess.run(
            [sys.executable, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {done.stderr[-2000:]}")
        return done.stdout


def _seconds(path: Path) -> float:
    """Add up what the shell's ``times`` printed: ``0m1.234s`` four times."""
    total = 0.0
    for text in path.read_text().split():
        minutes, seconds = text.removesuffix("s").split("m")
        total += 60 * float(minutes) + float(seconds)
    return total


if __name__ == "__main__":
    main()
