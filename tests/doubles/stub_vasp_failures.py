"""The ways in which ``stub_vasp`` fails when it is told to, each once.

``STUB_VASP_FAILURES`` names a folder. A file in it, called ``<mode>`` or ``<kind>.<mode>``, makes one run
(of that kind of step) fail in that way; the run removes the file, unless it says ``always``. Files are
taken in the order of their names. The messages are VASP's own, as far as they are known from its users' reports.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: A hung process that nobody ends ends itself.
LONGEST_HANG = 240.0
DAY = 24 * 3600.0


@dataclass(frozen=True)
class Failure:
    """A failure and the moment (``start``, ``step``, ``end``) at which it strikes, if it stops the run."""

    name: str
    moment: str


def take_failure(kind: str) -> Failure | None:
    """The failure this run is told to have; its file is removed."""
    folder = os.environ.get("STUB_VASP_FAILURES")
    if not folder or not Path(folder).is_dir():
        return None
    for path in sorted(Path(folder).iterdir()):
        wanted, _, name = path.name.rpartition(".")
        if name in MOMENTS and wanted in ("", kind):
            with suppress(FileNotFoundError):
                if path.read_text().strip() != "always":
                    path.unlink()
                return Failure(name, MOMENTS[name])
    return None


def _say(text: str, status: int = 1) -> Callable[[Path], None]:
    def stop(directory: Path) -> None:
        print(text, flush=True)
        sys.exit(status)

    return stop


def _complain(text: str) -> Callable[[Path], None]:
    def stop(directory: Path) -> None:
        print(text, file=sys.stderr, flush=True)
        sys.exit(1)

    return stop


def _warn(text: str) -> Callable[[Path], None]:
    return lambda directory: print(text, flush=True)


def _signalled(number: int) -> Callable[[Path], None]:
    def stop(directory: Path) -> None:
        sys.stdout.flush()
        signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
        os.kill(os.getpid(), number)
        time.sleep(60)

    return stop


def _hang(directory: Path) -> None:
    """Stand still as if for a day, so that nobody needs to wait until it has been long enough."""
    sys.stdout.flush()
    now = time.time()
    for path in directory.iterdir():
        os.utime(path, (now - DAY, now - (2 * DAY if path.name == "INCAR" else DAY)))
    time.sleep(LONGEST_HANG)
    sys.exit(1)


def _truncate(directory: Path) -> None:
    path = directory / "vasprun.xml"
    text = path.read_text()
    path.write_text(text[: int(0.7 * len(text))])


def _disk_full(directory: Path) -> None:
    for name in ("CONTCAR", "LOCPOT", "WAVECAR"):
        if (directory / name).exists():
            (directory / name).write_text("")
    _truncate(directory)
    print("forrtl: No space left on device", file=sys.stderr)
    print(
        "forrtl: severe (38): error during write, unit 12, file WAVECAR",
        file=sys.stderr,
        flush=True,
    )
    sys.exit(38)


#: Mode to what happens at its moment.
FAILURES: dict[str, Callable[[Path], None]] = {
    "zbrent": _say(
        " ZBRENT: fatal error in bracketing\n     please rerun with smaller EDIFF, or copy CONTCAR\n     to POSCAR and continue"
    ),
    "out_of_memory": _complain(
        "forrtl: severe (41): insufficient virtual memory\nAllocation would exceed memory limit"
    ),
    "killed": _signalled(signal.SIGKILL),
    "nbands": _say(" TOO FEW BANDS!! Increase NBANDS"),
    "truncated_vasprun": _truncate,
    "segfault": _signalled(signal.SIGSEGV),
    "interrupted": _signalled(signal.SIGTERM),
    "hung": _hang,
    "edddav": _say(" Error EDDDAV: Call to ZHEGV failed. Returncode =   7 1   8"),
    "eddrmm": _say(" WARNING in EDDRMM: call to ZHEGV failed, returncode =   6  3     10"),
    "brmix": _say(" BRMIX: very serious problems\n the old and the new charge density differ"),
    "disk_full": _disk_full,
    "read_error": _say(" Error reading item 'NELM' from file INCAR."),
    "zpotrf": _say(" LAPACK: Routine ZPOTRF failed!           7          15"),
    "not_hermitian": _warn(" WARNING: Sub-Space-Matrix is not hermitian in DAV            1"),
}
#: All modes; those without an entry above change what the run does (see ``stub_vasp_run``).
MOMENTS = {
    "zbrent": "step", "out_of_memory": "start", "killed": "start", "nbands": "start",
    "truncated_vasprun": "end", "segfault": "start", "interrupted": "step", "hung": "start",
    "edddav": "start", "eddrmm": "start", "brmix": "start", "disk_full": "end",
    "walltime": "never", "charge_sloshing": "never", "missing_wavecar": "never",
    "corrupt_wavecar": "never", "read_error": "start", "zpotrf": "start", "not_hermitian": "start",
}  # fmt: skip
