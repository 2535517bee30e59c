"""An unattended exploration through a real SLURM, with random kills of worker, loop and database.

``python tests/launchers/faults/explore_run.py --rounds 20 --kills 30 --seed 1`` writes the kills and the
verdict. Needs root, Debian's slurm-wlm and munge, and about 40 minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[2] / "doubles"))

from fault_campaign import FaultCampaign, big_plan
from faults import FAULTS

from surfalign.launchers.explore.state_store import LoopRecords
from surfalign.stores.database import JOBS

BATCH = 3
#: What is killed besides the loop.
KILLS = {"worker": "kill -9 of the worker", "database": "database killed -9 and restarted"}


class Exploration(FaultCampaign):
    """A loop beside the worker of a campaign, which can be killed as well."""

    loop: subprocess.Popen[bytes] | None = None

    def write_config(self, rounds: int) -> None:
        """Write the configuration of the loop: so many rounds of three surfaces."""
        # Far enough apart that no two surfaces count as one.
        big_plan(self.plan, self.n_surfaces, step=5e-3)
        content = {
            "name": "faults",
            "pool": {"plan": str(self.plan)},
            "profile": str(self.profile),
            "method": {"engine": "toy", "quality": "quick"},
            "batch": BATCH,
            "acquisition": "uncertainty",
            "budget": {"surfaces": BATCH * rounds},
            "model": {"kind": "composition", "configuration": {"n_estimators": 20}},
            "failures": {"share": 1.0},
            "poll_interval": 1.0,
            "patience": 600.0,
        }
        self.config.write_text(yaml.safe_dump(content))

    @property
    def config(self) -> Path:
        """Where the configuration is."""
        return self.directory / "explore.yaml"

    def keep_loop(self) -> bool:
        """Start the loop again when it was killed; return whether it has come to its end."""
        if self.loop is not None and self.loop.poll() == 0:
            return True
        if self.loop is None or self.loop.poll() is not None:
            self.loop = self._spawn("explore", "explore", "start", str(self.config))
        return False

    def kill_loop(self) -> None:
        """Kill the loop."""
        self._kill(self.loop)
        self.loop = None

    def judge(self, rounds: int) -> dict[str, Any]:
        """Count what must be: each round with its report, each surface once, the budget kept."""
        with self.opened() as (launcher, database):
            done = LoopRecords(database, "faults").rounds()
            registered = database.collection("campaign_surfaces").count_documents({})
            uuids = Counter(d["uuid"] for d in database.collection(JOBS).find({}, {"uuid": 1}))
            launched = Counter(record.uuid for record in launcher.jobs())
        chosen = [surface.key for one in done for surface in one.chosen]
        folder = self.directory / "data" / "explore" / "faults"
        return {
            "rounds": len(done),
            "rounds_wanted": rounds,
            "reports": len(list(folder.glob("round-*.md"))),
            "chosen": len(chosen),
            "chosen_twice": len(chosen) - len(set(chosen)),
            "over_budget": max(0, len(chosen) - BATCH * rounds),
            "registered": registered,
            "stored_twice": sum(number > 1 for number in uuids.values()),
            "launched_twice": sum(number > 1 for number in launched.values()),
            "at_once": len(self.at_once()),
            "outcomes": Counter(o.state for one in done for o in one.outcomes),
            "lost": sum(
                o.failure is not None and o.failure.cause == "lost"
                for one in done
                for o in one.outcomes
            ),
        }


def main() -> None:
    """Run, kill, wait for the end, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--launcher", default="fireworks", choices=["fireworks", "remote"])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause", type=float, default=30.0, help="longest pause between two (s)")
    parser.add_argument("--keep", action="store_true", help="keep the directory")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    directory = Path(tempfile.mkdtemp(prefix="explore-"))
    run = Exploration(directory, options.launcher, BATCH * options.rounds + 5, toy_seconds=0.2)
    done: Counter[str] = Counter()
    with run.running():
        run.write_config(options.rounds)
        ended = run.keep_loop()
        while not ended:
            time.sleep(chance.uniform(0.2, 1.0) * options.pause)
            if sum(done.values()) < options.kills:
                name = chance.choice(["loop", *KILLS])
                hit = run.kill_loop() if name == "loop" else FAULTS[KILLS[name]](run, chance)
                done[name] += 1
                print(f"{sum(done.values()):3d} {name}: {hit or 'killed'}", flush=True)
            run.keep_worker()
            ended = run.keep_loop()
        verdict = run.judge(options.rounds)
    print(json.dumps({"kills": done} | verdict, indent=1))
    if not options.keep:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
