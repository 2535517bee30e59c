"""What custodian does not know of slabs and hybrids: handlers and validators of their faults.

Handlers edit the inputs of a calculation that failed and run it again. Custodian asks all handlers
after each run, so two must not mend one fault: classes here replace those that they derive from.
"""

from __future__ import annotations

import itertools
import re
import time
from pathlib import Path
from typing import Any, ClassVar

from custodian.custodian import ErrorHandler, Validator
from custodian.utils import backup
from custodian.vasp.handlers import (
    VASP_BACKUP_FILES,
    FrozenJobErrorHandler,
    StdErrHandler,
    UnconvergedErrorHandler,
    VaspErrorHandler,
)
from custodian.vasp.interpreter import VaspModder
from custodian.vasp.utils import is_valid_poscar
from pymatgen.io.vasp import Incar, Oszicar

from surfalign.workflows.engines.vasp.outputs.phrases import END_OF_OUTCAR, wave_functions_read

#: Written beside a STOPCAR: the run was asked to stop, so nothing that is unfinished is an error.
CHECKPOINT_FILE = "checkpoint_requested"

#: The error of a run whose output stands still.
FROZEN = "Frozen job"

_OUT_OF_MEMORY = re.compile(
    r"oom[- _]kill|out of memory|cannot allocate memory|insufficient virtual memory"
    r"|Allocation would exceed memory limit|std::bad_alloc|CUDA_ERROR_OUT_OF_MEMORY",
    re.IGNORECASE,
)


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
        return not _stopping(directory) and bool(super().check(directory))

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Go on from the last geometry, or change the electronic algorithm."""
        if _ended_in_ionic_steps(directory):
            self.continuations += 1
            if self.continuations == 1 and is_valid_poscar("CONTCAR", directory):
                actions = [{"file": "CONTCAR", "action": {"_file_copy": {"dest": "POSCAR"}}}]
                return _apply(["Unconverged"], actions, directory)
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
            return _apply(["Charge sloshing"], actions, directory)
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
            _OUT_OF_MEMORY.search(_tail(folder / name)) for name in ("vasp.out", "std_err.txt")
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
        return _apply(["Out of memory"], [{"dict": "INCAR", "action": {"_set": change}}], directory)


class InterruptedHandler(ErrorHandler):
    """Runs a calculation again that was killed half-way, from where it was.

    The sign is an OUTCAR without its closing lines and no fault that another handler knows.
    """

    is_monitor = False
    max_num_corrections = 2

    def check(self, directory: str = "./") -> bool:
        """Return whether the run was killed from outside."""
        folder = Path(directory)
        if _stopping(directory) or _just_corrected(folder) or ended(folder):
            return False
        return not (OutOfMemoryHandler().check(directory) or GeneralErrorHandler().check(directory))

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Go on from the last geometry and wave functions."""
        return _apply(["Interrupted"], continuation_actions(directory), directory)


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
        return not _just_corrected(Path(directory)) and bool(super().check(directory))

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Go on from the last geometry and wave functions, or give up."""
        self.restarts += 1
        if self.restarts > self.MOST_RESTARTS:
            return {"errors": [FROZEN], "actions": None}
        return _apply([FROZEN], continuation_actions(directory), directory)


class GeneralErrorHandler(VaspErrorHandler):
    """Custodian's handler of what VASP prints, for runs that keep no density.

    Some of its corrections delete CHGCAR and WAVECAR, and trip where there is none, or delete the density
    that bands are computed of; that of EDDDAV
    trips where the run ended before it printed its number of electrons. A matrix of a subspace that is not
    hermitian is a warning: its cures, LREAL = F and PREC = A, are set from the start, and direct optimisers
    are worse for slabs, so whether the run converges decides.
    """

    def check(self, directory: str = "./") -> bool:
        """Return whether VASP printed a fault that can be met."""
        super().check(directory)
        incar = Incar.from_file(Path(directory) / "INCAR")
        if incar.get("LREAL", False) is False and str(incar.get("PREC")).startswith("A"):
            self.errors.discard("subspacematrix")
        return bool(self.errors)

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Correct the fault."""
        if self.errors == {"edddav"}:
            actions: list[dict[str, Any]] = _last_geometry(directory)
            actions.append({"dict": "INCAR", "action": {"_set": {"ALGO": "All", "ISEARCH": 1}}})
            return _apply(["edddav"], actions, directory)
        density = Path(directory) / "CHGCAR"
        incar = Incar.from_file(Path(directory) / "INCAR")
        kept = density.with_name("CHGCAR.kept")
        if int(incar.get("ICHARG", 0)) >= 10 and density.exists():
            density.rename(kept)  # the run is of this density, so no correction may delete it
        absent = [
            path for name in ("CHGCAR", "WAVECAR") if not (path := Path(directory) / name).exists()
        ]
        for path in absent:
            path.touch()
        try:
            correction: dict[str, Any] = super().correct(directory)
        finally:
            for path in absent:
                path.unlink(missing_ok=True)
            if kept.exists():
                kept.rename(density)
                of_density = {"file": "CHGCAR", "action": {"_file_delete": {"mode": "actual"}}}
                actions = correction.get("actions") or []
                correction["actions"] = [a for a in actions if a != of_density] or None
        return correction


class ListedErrorHandler(GeneralErrorHandler):
    """Never switches symmetry off where the k-points are a list of irreducible ones.

    The density would then be that of a part of the zone. The step tries something else instead.
    """

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Correct the fault, or give up where the base class switches symmetry off."""
        correction: dict[str, Any] = super().correct(directory)
        changes = [a["action"].get("_set", {}) for a in correction["actions"] or ()]
        if any(change.get("ISYM", 1) <= 0 for change in changes):
            return {"errors": correction["errors"], "actions": None}
        return correction


class WaveFunctionsReadValidator(Validator):
    """Refuses a hybrid on fixed orbitals that did not read its orbitals.

    VASP starts from random ones where the file does not fit, and ends without an error.
    """

    def check(self, directory: str = "./") -> bool:
        """Return whether the orbitals are not those of the file."""
        return not wave_functions_read(_head(Path(directory) / "vasp.out"))


class OneShotErrorHandler(VaspErrorHandler):
    """Names the faults of a one-shot hybrid, and mends what needs no touch of its wave functions.

    The base class deletes a WAVECAR that cannot be read: the shot would then be fired at random
    orbitals. Here that fault is left to the step, which makes the wave functions anew. Whatever else ended
    the run would end it again, so it is given up by its name.
    """

    is_monitor = False  # what it prints of a run that goes on is a warning
    MENDED: ClassVar[frozenset[str]] = frozenset({"elf_kpar"})

    def __init__(self, output_filename: str = "vasp.out", **arguments: Any) -> None:
        known = [name for name in VaspErrorHandler.error_msgs if name != "coef"]
        super().__init__(output_filename, errors_subset_to_catch=known)

    def check(self, directory: str = "./") -> bool:
        """Return whether a known fault ended the run."""
        return not ended(Path(directory)) and bool(super().check(directory))

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Correct the fault, or give it up by its name."""
        if self.errors <= self.MENDED:
            correction: dict[str, Any] = super().correct(directory)
            return correction
        return {"errors": sorted(self.errors), "actions": None}


def continuation_actions(directory: str | Path) -> list[dict[str, Any]]:
    """Return what makes an unfinished calculation go on from where it was (custodian's actions)."""
    folder = Path(directory)
    incar = Incar.from_file(folder / "INCAR")
    actions = _last_geometry(folder)
    wave_functions = folder / "WAVECAR"
    if wave_functions.is_file() and wave_functions.stat().st_size > 0 and incar.get("LWAVE"):
        actions.append({"dict": "INCAR", "action": {"_set": {"ISTART": 1}}})
    # an action that changes nothing still tells custodian that the fault is dealt with
    return actions or [{"dict": "INCAR", "action": {"_set": {}}}]


def _last_geometry(directory: str | Path) -> list[dict[str, Any]]:
    """Start a relaxation from where it came to."""
    incar = Incar.from_file(Path(directory) / "INCAR")
    if int(incar.get("NSW", 0)) > 0 and is_valid_poscar("CONTCAR", str(directory)):
        return [{"file": "CONTCAR", "action": {"_file_copy": {"dest": "POSCAR"}}}]
    return []


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


def _just_corrected(folder: Path) -> bool:
    """Whether a handler has edited the inputs since the run wrote its last line."""
    outputs = [folder / name for name in ("OUTCAR", "vasp.out")]
    written = [path.stat().st_mtime_ns for path in outputs if path.is_file()]
    return (folder / "INCAR").stat().st_mtime_ns > max(written, default=0)


def ended(folder: Path) -> bool:
    """Whether VASP came to its own end; a profile of some 50 kB may follow what says so."""
    return END_OF_OUTCAR in _tail(folder / "OUTCAR", size=1_000_000)


def _stopping(directory: str | Path) -> bool:
    return (Path(directory) / CHECKPOINT_FILE).exists()


def _apply(errors: list[str], actions: list[dict[str, Any]], directory: str) -> dict[str, Any]:
    backup(VASP_BACKUP_FILES, directory=directory)
    VaspModder(directory=directory).apply_actions(actions)
    return {"errors": errors, "actions": actions}


def _tail(path: Path, size: int = 20_000) -> str:
    """The end of a file that may be large; empty where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        return file.read().decode(errors="replace")


def _head(path: Path, size: int = 20_000) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(size).decode(errors="replace")
