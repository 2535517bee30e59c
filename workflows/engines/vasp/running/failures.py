"""What became of a calculation: its cause where custodian gave up, and whether it came to its end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from custodian.custodian import CustodianError
from pymatgen.io.vasp import Vasprun

from surfalign.errors import (
    ConvergenceError,
    EngineError,
    EngineKilledError,
    InsufficientMemoryError,
)
from surfalign.workflows.engines.vasp.outputs.outcar import read_outcar
from surfalign.workflows.engines.vasp.running import corrections
from surfalign.workflows.engines.vasp.running.handlers import Task, validators_for


def failure(error: CustodianError, folder: Path, name: str) -> EngineError:
    """Return the error of a calculation that custodian gave up on, with its cause."""
    log = corrections.corrections_of(folder, name)
    given_up = [correction for correction in log if not correction.actions] or log
    cause = ", ".join(given_up[-1].errors) if given_up else ""
    remedy = f"look at vasp.out, std_err.txt and custodian.json in {folder}"
    if "Out of memory" in cause:
        return InsufficientMemoryError(
            f"{name}: VASP ran out of memory even with KPAR = 1 and NCORE = 8",
            "memory for one k-point at a time",
            "ask for more memory, or for more nodes",
        )
    if any(word in cause for word in ("onverge", "sloshing", "Non-converging")):
        return ConvergenceError(f"{name}: {cause}", "a calculation that converges", remedy)
    if cause and cause != "Interrupted":
        return EngineError(f"{name}: {cause}", "a fault that error recovery mends", remedy)
    found = f"{name}: VASP ended without a result ({type(error).__name__})"
    return EngineKilledError(found, "a run to its end", remedy)


def require_files(folder: Path, name: str, files: Iterable[str]) -> None:
    """Refuse a run that left no file for those that need it (a full disk, a quota).

    Parameters
    ----------
    folder, name
        Folder and name of the calculation.
    files
        What it must have left.

    Raises
    ------
    EngineKilledError
        When a file is missing or empty.
    """
    for file in files:
        path = folder / file
        if not path.is_file() or path.stat().st_size == 0:
            raise EngineKilledError(
                f"{name}: VASP left no {file}",
                f"a {file}",
                f"look for space in {folder}",
            )


def ended(task: Task, folder: Path) -> bool:
    """Return whether a run that was asked to stop had come to its end by then.

    A run that obeyed has fewer steps than it may have, which pymatgen takes for convergence: its OUTCAR
    tells the two apart.
    """
    if any(validator.check(str(folder)) for validator in validators_for(task)):
        return False
    if read_outcar(folder / "OUTCAR").stopped:
        return False
    if task == "one_shot":  # its only iteration is all there is to converge
        return True
    vasprun = Vasprun(folder / "vasprun.xml", parse_dos=False, parse_potcar_file=False)
    return bool(vasprun.converged)
