"""What it costs to screen many stored results: read from the database, evaluated, with all reasons.

    python benchmarks/screening_speed.py [--results 30000]

The results are made up: levels by chance, the fields of a real document without its structures. They go into a local
server of their own. Stated is processor time, that of the server in brackets: other work on the machine does not change it.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from surfalign.launchers.database.server import LocalServer
from surfalign.physics.checks import within
from surfalign.settings import load_settings
from surfalign.stores.database import Database, connect
from surfalign.stores.documents import ResultState, SurfaceLevelsDocument
from surfalign.stores.query.summaries import summaries
from surfalign.stores.screening.candidates import stored_candidates
from surfalign.stores.screening.evaluation import by_formula, screen
from surfalign.stores.screening.question import Terms, ask
from surfalign.stores.screening.rules import load_rule

BATCH = 5000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=30_000)
    arguments = parser.parse_args()
    print(
        "| rule | read (server) | evaluated | reasons and formulas | all |\n|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        server = LocalServer(Path(folder) / "database")
        os.environ["SURFALIGN_DATABASE_URI"] = server.start()
        try:
            with connect(load_settings()) as database:
                # The collection itself: what maggma adds to a bulk of made-up results takes minutes.
                collection = database.surface_levels._collection
                for start in range(0, arguments.results, BATCH):
                    collection.insert_many(results(start, min(BATCH, arguments.results - start)))
                # Whoever stores results by surfalign writes their summaries with them.
                summaries(database)
                process = psutil.Process(server.status().pid)
                for name, terms in (("water-splitting", Terms(ph=7)), ("gate-dielectric", Terms())):
                    print(f"| {name} | {' | '.join(timed(database, process, name, terms))} |")
        finally:
            server.stop()
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")


def results(start: int, n: int) -> list[dict]:
    """Return made-up results as they are stored."""
    generator = np.random.default_rng(start)
    base = SurfaceLevelsDocument(
        identifier="", state=ResultState.PASSED, formula="MgO", functional="ddh", quality="quick",
        relaxed=True, convergence_error=0.05, dielectric_constant=4.0,
        checks=[within(f"check_{i}", 0.0, 1.0, "eV", "A check of the size of a real one.") for i in range(18)],
        settings={"slab_potential": {f"setting_{i}": i for i in range(60)}},
    ).model_dump(mode="json")  # fmt: skip
    metals = ("Mg", "Ca", "Sr", "Ba", "Ti", "Zr", "Hf", "Sn", "In", "Ga", "Zn", "Al")
    found = []
    for row in range(start, start + n):
        ip, gap = 5 + 2.5 * generator.random(), 1 + 6 * generator.random()
        first, second = generator.choice(metals, 2)
        found.append(
            base
            | {
                "identifier": f"r{row}",
                "surface_name": f"{first}{second}O{row % 9}({row})",
                "formula": f"{first}{row % 9 + 1}{second}O{row % 7 + 1}",
                "ionization_potential": ip,
                "electron_affinity": ip - gap,
                "band_gap": gap,
            }
        )
    return found


def timed(database: Database, server: psutil.Process, name: str, terms: Terms) -> list[str]:
    """Return the seconds of the parts and of all."""
    before = server.cpu_times()
    times = [time.process_time()]
    found = stored_candidates(database)
    after = server.cpu_times()
    served = after.user + after.system - before.user - before.system
    times.append(time.process_time())
    answer = screen(ask(load_rule(name), terms), found)
    times.append(time.process_time())
    for row in range(len(answer.surfaces)):
        answer.reason(row)
    by_formula(answer)
    times.append(time.process_time())
    read, *others = np.diff(times)
    return [
        f"{read:.2f} s ({served:.2f} s)",
        *(f"{seconds:.2f} s" for seconds in others),
        f"{times[-1] - times[0] + served:.2f} s",
    ]


if __name__ == "__main__":
    main()
