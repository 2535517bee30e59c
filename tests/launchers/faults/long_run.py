"""Put faults into a running campaign of stub flows, drawn at random, and count what is left of it.

``python tests/launchers/faults/long_run.py --launcher fireworks --injections 60 --seed 1`` writes the
faults and the verdict. Needs root, Debian's slurm-wlm and munge, and about 20 minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "doubles"))

from fault_campaign import FaultCampaign
from faults import FAULTS


def main() -> None:
    """Run, inject, drain, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--launcher", default="fireworks", choices=["fireworks", "remote"])
    parser.add_argument("--injections", type=int, default=60)
    parser.add_argument("--surfaces", type=int, default=40)
    parser.add_argument("--jobs-per-allocation", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause", type=float, default=10.0, help="longest pause between two (s)")
    parser.add_argument("--keep", action="store_true", help="keep the directory")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    # As often as one another, in random order.
    names = [list(FAULTS)[n % len(FAULTS)] for n in range(options.injections)]
    chance.shuffle(names)
    directory = Path(tempfile.mkdtemp(prefix="faults-"))
    print(f"{options.launcher}: {options.injections} faults, seed {options.seed}, in {directory}")
    started = time.monotonic()

    def note(line: str) -> None:
        print(f"{time.monotonic() - started:7.1f} s  {line}", flush=True)

    campaign = FaultCampaign(
        directory,
        options.launcher,
        options.surfaces,
        jobs_per_allocation=options.jobs_per_allocation,
    )
    with campaign.running():
        campaign.submit(6)
        for number, name in enumerate(names, 1):
            time.sleep(chance.uniform(0.2, 1.0) * options.pause)
            campaign.keep_worker()
            hit = FAULTS[name](campaign, chance)
            note(f"{number:3d} {name}: {hit}")
            if number % 5 == 0:
                campaign.operate(note)
        campaign.submit(options.surfaces)  # what no submitter asked for yet
        campaign.drain(3600, note)
        note("settled")
        verdict = campaign.verdict()
    print(json.dumps(verdict, indent=1))
    for name, count in sorted(Counter(names).items()):
        print(f"| {name} | {count} |")
    if not options.keep:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
