"""What custodian does not know of slabs and hybrids: handlers and validators of their faults.

Handlers edit the inputs of a calculation that failed and run it again. Custodian asks all handlers
after each run, so two must not mend one fault: classes here replace those that they derive from.
"""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any, ClassVar

from custodian.custodian import ErrorHandler
from custodian.vasp.handlers import (
    FrozenJobErrorHandler,
    StdErrHandler,
    UnconvergedErrorHandler,
)
from custodian.vasp.utils import is_valid_poscar
from pymatgen.io.vasp import Incar, Oszicar

from surfalign.slurm_words import OUT_OF_MEMORY
from surfalign.workflows.engines.vasp.running.printed_faults import GeneralErrorHandler
from surfalign.workflows.engines.vasp.running.run_state import (
    CHECKPOINT_FILE,
    apply_actions,
    continuation_actions,
    ended,
    just_corrected,
    stopping,
    tail_of,
)

#: The error of a run whose output stands still.
FROZEN = "Frozen job"


class CheckpointHandler(ErrorHandler):
    """Asks VASP to stop in time, so that the job can be continued.

    Unlike custodian's own handler it knows when the queue ends the job, which is not the moment at
    which it was made plus a wall time: several calculations share one job.
    """

    is_monitor = True
    is_terminating = False  # VASP stops by itself, after the step it is at
    raises_runtime_error = False

    def __init__(self, deadline: float, buffer_time: float, electronic: bool) -> None:
        self.deadline = deadline
        self.buffer_time = buffer_time
        self.electronic = electronic

    def check(self, directory: str = "./") -> bool:
        """Return whether little time is left."""
        return time.time() > self.deadline - self.buffer_time

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Write the STOPCAR."""
        line = "LABORT = .TRUE." if self.electronic else "LSTOP = .TRUE."
        (Path(directory) / "STOPCAR").write_text(f"{line}\n")
        (Path(directory) / CHECKPOINT_FILE).touch()
        return {"errors": ["wall time nearly used up"], "actions": None}


class PatientUnconvergedHandler(UnconvergedErrorHandler):
    """Leaves a run alone that was asked to stop; ionic steps go on with the same algorithm.

    The base class answers unfinished ionic steps with IBRION = 1 at once, which is fragile in slabs;
    here the second continuation does so.
    """

    def __init__(self, output_filename: str = "vasprun.xml") -> None:
        super().__init__(output_filename)
        self.continuations = 0

    def check(self, directory: str = "./") -> bool:
        """Return whether the run ended unconverged by itself."""
        return not stopping(directory) and bool(super().check(directory))

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Go on from the last geometry, or change the electronic algorithm."""
        if _ended_in_ionic_steps(directory):
            self.continuations += 1
            if self.continuations == 1 and is_valid_poscar("CONTCAR", directory):
                actions = [{"file": "CONTCAR", "action": {"_file_copy": {"dest": "POSCAR"}}}]
                return apply_actions(["Unconverged"], actions, directory)
        correction: dict[str, Any] = super().correct(directory)
        return correction


class SlabUnconvergedHandler(PatientUnconvergedHandler):
    """Meets charge sloshing by gentler mixing before the algorithm is changed.

    In long cells the density swings between the two sides of the vacuum; the steps of the energy then
    change sign to the end. ALGO = All, the base class's answer, is right but several times dearer.
    """

    GENTLER: ClassVar[list[dict[str, float]]] = [
        {"AMIX": 0.1, "BMIX": 0.01},
        {"AMIX": 0.02, "BMIX": 0.001, "AMIN": 0.005},
    ]

    def __init__(self, output_filename: str = "vasprun.xml") -> None:
        super().__init__(output_filename)
        self.mixings = 0

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Mix more gently where the charge sloshes."""
        if self.mixings < len(self.GENTLER) and charge_sloshes(Path(directory) / "OSZICAR"):
            settings = self.GENTLER[self.mixings]
            self.mixings += 1
            actions = [{"dict": "INCAR", "action": {"_set": settings}}]
            return apply_actions(["Charge sloshing"], actions, directory)
        return super().correct(directory)


class QuietStdErrHandler(StdErrHandler):
    """Custodian's handler of standard error, less the lack of memory, which has one of its own."""

    def check(self, directory: str = "./") -> bool:
        """Return whether standard error tells of a fault that this handler mends."""
        super().check(directory)
        self.errors.discard("out_of_memory")
        return bool(self.errors)


class OutOfMemoryHandler(ErrorHandler):
    """Lowers the memory of each process where the system killed the run for it.

    Groups of k-points hold copies of everything, so KPAR is halved first. Then fewer bands are worked
    on at a time, by more cores each (NCORE doubled): the projectors are shared by the cores of a band.
    """

    is_monitor = False

    def check(self, directory: str = "./") -> bool:
        """Return whether an output tells of lacking memory."""
        folder = Path(directory)
        return any(
            OUT_OF_MEMORY.search(tail_of(folder / name)) for name in ("vasp.out", "std_err.txt")
        )

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Halve KPAR, or double NCORE up to eight."""
        incar = Incar.from_file(Path(directory) / "INCAR")
        kpar, ncore = int(incar.get("KPAR", 1)), int(incar.get("NCORE", 1))
        response = bool(incar.get("LEPSILON"))
        if kpar > 1:
            change = {"KPAR": kpar // 2}
        elif ncore < 8 and not response:
            change = {"NCORE": ncore * 2}
        else:
            return {"errors": ["Out of memory"], "actions": None}
        return apply_actions(
            ["Out of memory"], [{"dict": "INCAR", "action": {"_set": change}}], directory
        )


class InterruptedHandler(ErrorHandler):
    """Runs a calculation again that was killed half-way, from where it was.

    The sign is an OUTCAR without its closing lines and no fault that another handler knows.
    """

    is_monitor = False
    max_num_corrections = 2

    def check(self, directory: str = "./") -> bool:
        """Return whether the run was killed from outside."""
        folder = Path(directory)
        if stopping(directory) or just_corrected(folder) or ended(folder):
            return False
        return not (OutOfMemoryHandler().check(directory) or GeneralErrorHandler().check(directory))

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Go on from the last geometry and wave functions."""
        return apply_actions(["Interrupted"], continuation_actions(directory), directory)


class HungHandler(FrozenJobErrorHandler):
    """Ends a run whose output stands still, and starts it again from where it was, twice.

    The base class gives up on calculations at rest; a lost message of MPI hangs those as well. It counts
    by itself: custodian's own limit would neither end nor give up a run that hangs once more.
    """

    MOST_RESTARTS: ClassVar[int] = 2

    def __init__(self, timeout: float, output_filename: str = "vasp.out") -> None:
        super().__init__(output_filename, timeout)
        self.restarts = 0

    def check(self, directory: str = "./") -> bool:
        """Return whether nothing was written for long."""
        return not just_corrected(Path(directory)) and bool(super().check(directory))

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Go on from the last geometry and wave functions, or give up."""
        self.restarts += 1
        if self.restarts > self.MOST_RESTARTS:
            return {"errors": [FROZEN], "actions": None}
        return apply_actions([FROZEN], continuation_actions(directory), directory)


def charge_sloshes(oszicar: Path, least_steps: int = 8) -> bool:
    """Return whether the energy's last steps of self-consistency change sign again and again."""
    try:
        steps = Oszicar(str(oszicar)).electronic_steps[-1]
    except (OSError, IndexError, ValueError):
        return False
    changes = [float(step["dE"]) for step in steps if "dE" in step][-2 * least_steps :]
    if len(changes) < least_steps:
        return False
    flips = sum(one * other < 0 for one, other in itertools.pairwise(changes))
    return flips >= len(changes) // 2


def _ended_in_ionic_steps(directory: str) -> bool:
    """Whether all electronic cycles converged, so that only the ions are unfinished."""
    folder = Path(directory)
    try:
        limit = int(Incar.from_file(folder / "INCAR").get("NELM", 60))
        return len(Oszicar(str(folder / "OSZICAR")).electronic_steps[-1]) < limit
    except (OSError, IndexError, ValueError):
        return False
