"""A backup that is killed by SIGKILL when it tells of its progress for the n-th time; a script for a subprocess.

``python killed_backup.py FILE N``; the settings in force name the database.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from surfalign.launchers.database.backup import backup
from surfalign.settings import load_settings
from surfalign.stores.blobs import open_blobs
from surfalign.stores.database import connect


def main(path: Path, number: int) -> None:
    """Back up, and die on the way."""
    told = 0

    def tell(title: str, done: int, total: int) -> None:
        nonlocal told
        told += 1
        if told == number:
            os.kill(os.getpid(), signal.SIGKILL)

    with connect(load_settings()) as database, open_blobs() as blobs:
        backup(database, path, blobs, tell)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
