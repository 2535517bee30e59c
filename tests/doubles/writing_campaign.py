"""A worker of a campaign that stores outputs and results without end; prints each uuid once it is acknowledged.

``python writing_campaign.py NAME``; the settings in force say where.
"""

from __future__ import annotations

import sys

from stored_results import job_output, passed_result, store

from surfalign.settings import load_settings
from surfalign.stores.database import connect


def main(name: str) -> None:
    """Write until the server or this process is ended."""
    with connect(load_settings()) as database:
        for number in range(100_000):
            uuid = f"{name}-{number}"
            result = passed_result(uuid)
            database.jobs.update([job_output(result, uuid, "2026-01-01T00:00:00")])
            store(database, result)
            print(uuid, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
