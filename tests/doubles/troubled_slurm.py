"""SLURM's clients as troubled sites have them: programs that stand before the real ones on the PATH.

Each trouble is a file of a folder: while it is there, the clients behave so.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TIMED_OUT = "Batch job submission failed: Socket timed out on send/recv operation"
NO_CONTACT = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
BANNER = "** Maintenance on 12 May 2027: see https://site.example/5 **\n\n  Quota: 17 of 100\n"

#: Every client begins so: slow, or out of order.
_ALL = """#!/bin/sh
[ ! -e {troubles}/slow ] || sleep 2
[ ! -e {troubles}/hangs ] || exec sleep 60
[ ! -e {troubles}/no-controller ] || {{ echo '{name}: error: {no_contact}' >&2; exit 1; }}
"""
_CLIENTS = {
    # Nothing, and all is well: a controller too slow for squeue, or a site's own wrapper.
    "squeue": """
[ ! -e {troubles}/empty-squeue ] || exit 0
[ ! -e {troubles}/banner ] || printf '{banner}'
exec {real} "$@"
""",
    "scontrol": """
[ ! -e {troubles}/silent-scontrol ] || exit 1
exec {real} "$@"
""",
    "sbatch": """
[ ! -e {troubles}/held ] || set -- --hold "$@"
[ ! -e {troubles}/refused ] || {{ cat {troubles}/refused >&2; exit 1; }}
[ ! -e {troubles}/banner ] || printf '{banner}'
{real} "$@" > {troubles}/said 2>&1
status=$?
[ ! -e {troubles}/taken-but-failed ] || {{ echo 'sbatch: error: {timed_out}' >&2; exit 1; }}
[ ! -e {troubles}/taken-without-number ] || exit 0
cat {troubles}/said
exit $status
""",
    "sacct": """
[ ! -e {troubles}/sacct ] || {{ cat {troubles}/sacct; exit 0; }}
exit 1
""",
}


class TroubledSlurm:
    """Programs in ``folder/bin`` and the troubles in ``folder/troubles``."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.troubles = folder / "troubles"
        for place in (self.bin, self.troubles):
            place.mkdir(parents=True, exist_ok=True)
        for name, text in _CLIENTS.items():
            real = shutil.which(name) or "/bin/false"
            script = (_ALL + text.lstrip("\n")).format(
                name=name, real=real, troubles=self.troubles, no_contact=NO_CONTACT,
                timed_out=TIMED_OUT, banner=BANNER.replace("\n", "\\n"),
            )  # fmt: skip
            program = self.bin / name
            program.write_text(script)
            program.chmod(0o755)

    @property
    def path(self) -> str:
        """The PATH with these programs first."""
        return f"{self.bin}{os.pathsep}{os.environ['PATH']}"

    def begin(self, trouble: str, text: str = "") -> None:
        (self.troubles / trouble).write_text(text)

    def end(self, *troubles: str) -> None:
        for trouble in troubles or [path.name for path in self.troubles.iterdir()]:
            (self.troubles / trouble).unlink(missing_ok=True)

    @contextmanager
    def trouble(self, *troubles: str) -> Iterator[None]:
        for trouble in troubles:
            self.begin(trouble)
        try:
            yield
        finally:
            self.end(*troubles)
