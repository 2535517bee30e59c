"""The real command ``surfalign serve`` in a process of its own, and the shipped results for it to show."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from surfalign.stores.database import Database

DATASET = Path(__file__).parents[2] / "docs" / "datasets" / "oxide-surfaces-v0.jsonl.gz"


def shipped_results() -> list[dict[str, Any]]:
    """Return the results of the open data set as a database holds them."""
    with gzip.open(DATASET, "rt") as file:
        return [json.loads(line) for line in file]


def store_shipped_results(database: Database) -> list[dict[str, Any]]:
    """Put the results of the open data set into a database."""
    results = shipped_results()
    database.surface_levels.update(results)
    return results


@contextmanager
def served() -> Iterator[str]:
    """Serve the database of the settings in force; yield the address, e.g. http://127.0.0.1:41234."""
    process = subprocess.Popen(
        [sys.executable, "-m", "surfalign.launchers.cli.main", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        found = re.search(r"Serving at (http://127\.0\.0\.1:\d+)/", line)
        assert found, line
        yield found[1]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        process.stdout.close()
