"""What a job finds on a compute node: ``surfalign doctor --profile`` runs this in a job of every queue.

``python -m surfalign.launchers.doctor.compute_node --gpaw --mpi`` writes one line of JSON a finding. The job's
shell has loaded the modules and run the commands of the queue before.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from surfalign.errors import SurfalignError
from surfalign.files import load_yaml
from surfalign.launchers.doctor.installation import (
    Finding,
    State,
    check_gpaw,
    check_mpi,
    check_surfalign,
    examine,
)
from surfalign.settings import Settings
from surfalign.stores.database import connect

#: Begins the lines of findings, among whatever else a node prints.
MARK = "surfalign-finding "


def main(arguments: Sequence[str] | None = None) -> None:
    """Look, and print each finding at once: a job that is cut off tells how far it came."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", action="store_true", help="as jobs of FireWorks find it")
    parser.add_argument("--gpaw", action="store_true", help="GPAW and what it was built with")
    parser.add_argument("--mpi", action="store_true", help="two processes of GPAW")
    parser.add_argument("--vasp", help="VASP's command")
    for name, check in _checks(parser.parse_args(arguments)):
        print(MARK + json.dumps(asdict(examine(name, check))), flush=True)


def _checks(chosen: argparse.Namespace) -> Iterator[tuple[str, Callable[[], Finding]]]:
    yield "surfalign", check_surfalign
    if chosen.database:
        yield "database", check_database
    if chosen.gpaw:
        yield "GPAW", check_gpaw
    if chosen.mpi:
        yield "MPI", check_mpi
    if chosen.vasp:
        yield "VASP", partial(check_program, chosen.vasp)


def findings_in(output: str) -> list[Finding]:
    """Return the findings in the output of a job."""
    lines = (line for line in output.splitlines() if line.startswith(MARK))
    found = [json.loads(line.removeprefix(MARK)) for line in lines]
    return [Finding(**{**fields, "state": State(fields["state"])}) for fields in found]


def check_database() -> Finding:
    """Reach the database by the file that the jobs read."""
    path = Path(os.environ["JOBFLOW_CONFIG_FILE"])
    content = load_yaml(path.read_text(encoding="utf-8"), str(path))
    store = content["JOB_STORE"]["docs_store"]
    settings = Settings(database_uri=SecretStr(store["uri"]), database_name=store["database"])
    try:
        # A job would wait for ten minutes, a person does not.
        with connect(settings) as database, database.errors_named():
            database.surface_levels.count()
            return Finding("database", State.OK, f"{database.address} answers")
    except SurfalignError as error:
        return Finding(
            "database",
            State.MISSING,
            f"not reached from the compute node {socket.gethostname()}: {error.found}",
            "name the database by an address that the compute nodes reach, or take the launcher "
            "'remote', whose jobs need none",
        )


def check_program(command: str) -> Finding:
    """Look for the program of an engine where jobs look for it."""
    program = command.split()[0]
    if shutil.which(program) is None:
        remedy = "load its module in the queue, or correct engines.vasp"
        return Finding("VASP", State.MISSING, f"the program '{program}' is not found", remedy)
    return Finding("VASP", State.OK, program)


if __name__ == "__main__":
    main()
