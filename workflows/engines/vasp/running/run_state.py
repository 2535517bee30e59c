"""What the folder of a calculation tells of its run, and edits that make it go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from custodian.utils import backup
from custodian.vasp.handlers import VASP_BACKUP_FILES
from custodian.vasp.interpreter import VaspModder
from custodian.vasp.utils import is_valid_poscar
from pymatgen.io.vasp import Incar

from surfalign.workflows.engines.vasp.outputs.phrases import END_OF_OUTCAR

#: Written beside a STOPCAR: the run was asked to stop, so nothing that is unfinished is an error.
CHECKPOINT_FILE = "checkpoint_requested"


def continuation_actions(directory: str | Path) -> list[dict[str, Any]]:
    """Return what makes an unfinished calculation go on from where it was (custodian's actions)."""
    folder = Path(directory)
    incar = Incar.from_file(folder / "INCAR")
    actions = last_geometry(folder)
    wave_functions = folder / "WAVECAR"
    if wave_functions.is_file() and wave_functions.stat().st_size > 0 and incar.get("LWAVE"):
        actions.append({"dict": "INCAR", "action": {"_set": {"ISTART": 1}}})
    # an action that changes nothing still tells custodian that the fault is dealt with
    return actions or [{"dict": "INCAR", "action": {"_set": {}}}]


def last_geometry(directory: str | Path) -> list[dict[str, Any]]:
    """Start a relaxation from where it came to."""
    incar = Incar.from_file(Path(directory) / "INCAR")
    if int(incar.get("NSW", 0)) > 0 and is_valid_poscar("CONTCAR", str(directory)):
        return [{"file": "CONTCAR", "action": {"_file_copy": {"dest": "POSCAR"}}}]
    return []


def ended(folder: Path) -> bool:
    """Return whether VASP came to its own end; a profile of some 50 kB may follow what says so."""
    return END_OF_OUTCAR in tail_of(folder / "OUTCAR", size=1_000_000)


def just_corrected(folder: Path) -> bool:
    """Return whether a handler has edited the inputs since the run wrote its last line."""
    outputs = [folder / name for name in ("OUTCAR", "vasp.out")]
    written = [path.stat().st_mtime_ns for path in outputs if path.is_file()]
    return (folder / "INCAR").stat().st_mtime_ns > max(written, default=0)


def stopping(directory: str | Path) -> bool:
    """Return whether the run was asked to stop, so that nothing unfinished in it is an error."""
    return (Path(directory) / CHECKPOINT_FILE).exists()


def apply_actions(
    errors: list[str], actions: list[dict[str, Any]], directory: str
) -> dict[str, Any]:
    """Keep the files of the run, and edit its inputs; return what custodian wants to know."""
    backup(VASP_BACKUP_FILES, directory=directory)
    VaspModder(directory=directory).apply_actions(actions)
    return {"errors": errors, "actions": actions}


def tail_of(path: Path, size: int = 20_000) -> str:
    """Return the end of a file that may be large; empty where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        return file.read().decode(errors="replace")


def head_of(path: Path, size: int = 20_000) -> str:
    """Return the beginning of a file; empty where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(size).decode(errors="replace")
