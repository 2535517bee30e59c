"""Put faults into a running campaign of stub flows, drawn at random, and count what is left of it.

``python tests/launchers/faults/long_run.py --launcher fireworks --injections 60 --seed 1`` writes the
faults and the verdict, and exits with 1 where anything was lost, run twice or stuck. A fault that finds
nothing to hit is drawn once more later. Needs root, Debian's slurm-wlm and munge, and about 20 minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "doubles"))

from fault_campaign import FaultCampaign
from faults import FAULTS

#: So many faults in a row that hit nothing end the injections.
IN_VAIN = 10
#: Keys of the verdict that must be empty.
WRONG = ("twice", "doubled jobs", "at once", "silent", "lost", "stuck")


def main() -> int:
    """Run, inject, drain, judge; return the exit status."""
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
        hits = inject(campaign, deque(names), chance, options.pause, note)
        campaign.submit(options.surfaces)  # what no submitter asked for yet
        campaign.drain(3600, note)
        note("settled")
        verdict = campaign.verdict()
    print(json.dumps(verdict, indent=1))
    for name, count in sorted(hits.items()):
        print(f"| {name} | {count} |")
    wrong = wrongs(verdict, options.surfaces)
    print(f"{hits.total()} faults; {'wrong: ' + ', '.join(wrong) if wrong else 'nothing is wrong'}")
    if not options.keep:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if wrong else 0


def inject(
    campaign: FaultCampaign,
    names: deque[str],
    chance: random.Random,
    pause: float,
    note: Callable[[str], None],
) -> Counter[str]:
    """Put the named faults in, and count those that hit; work is submitted as it is used up."""
    hits: Counter[str] = Counter()
    wanted, tried, in_vain = len(names), 0, 0
    campaign.submit(6)
    while names:
        time.sleep(chance.uniform(0.2, 1.0) * pause)
        due = campaign.n_surfaces * (hits.total() + 6) // (wanted + 6)
        if due > campaign.limit:
            campaign.submit(due - campaign.limit)
        campaign.keep_worker()
        name = names.popleft()
        hit = FAULTS[name](campaign, chance)
        tried += 1
        if hit.startswith("nothing"):
            names.append(name)
            in_vain += 1
        else:
            hits[name] += 1
            in_vain = 0
        note(f"{hits.total():3d} {name}: {hit}")
        if tried % 5 == 0:
            campaign.operate(note)
        if in_vain == IN_VAIN:
            note("no work is left to hit")
            break
    return hits


def wrongs(verdict: dict[str, Any], n_surfaces: int) -> list[str]:
    """Name what is not as it must be."""
    wrong = [name for name in WRONG if verdict[name]]
    if not verdict["surfaces"] == verdict["distinct"] == n_surfaces:
        wrong.append("surfaces")
    if verdict["done"] != n_surfaces - 1 or len(verdict["failed"]) != 1:
        wrong.append("done")
    if len(verdict["levels"]) != 1:
        wrong.append("levels")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
