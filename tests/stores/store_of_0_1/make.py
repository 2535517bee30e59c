"""Write the files of this folder; runs with the code of commit e6c7a11 (see README.md)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from bson import json_util
from memory_launcher import MemoryLauncher
from monty.json import jsanitize
from surfalign.launchers.server import open_database
from surfalign.launchers.submission import submit_plan
from surfalign.stores.registry import Method

COLLECTIONS = ("jobs", "surface_levels", "campaign_crystals", "campaign_surfaces")
HERE = Path(__file__).parent


def main(plan: Path) -> None:
    launcher = MemoryLauncher()
    with open_database(announce=print) as database:
        method = Method(engine="gpaw", quality="quick")
        print(submit_plan(plan, method, launcher, database, campaign="before"))
        for name in COLLECTIONS:
            write(name, database.collection(name).find({}, {"_id": 0}))
    write("queue", [jsanitize(job.as_dict()) for flow in launcher.flows for job in flow.jobs])
    (HERE / "plan.jsonl").write_text(plan.read_text())


def write(name: str, documents: Any) -> None:
    lines = [json_util.dumps(without_host(document), sort_keys=True) for document in documents]
    (HERE / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines))


def without_host(document: Any) -> Any:
    """Leave out where it was computed."""
    if isinstance(document, dict):
        return {
            k: "" if k in ("hostname", "host") else without_host(v) for k, v in document.items()
        }
    return [without_host(item) for item in document] if isinstance(document, list) else document


if __name__ == "__main__":
    main(Path(sys.argv[1]))
