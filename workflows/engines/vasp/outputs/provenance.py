"""How a VASP calculation was done: settings, potentials, corrections, cost."""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from monty.io import zopen

from surfalign.hashing import hash_of
from surfalign.physics.checks import Check
from surfalign.stores.documents import CalculationRecord
from surfalign.workflows.engines.vasp.outputs.calculation import Calculation
from surfalign.workflows.engines.vasp.outputs.files import find_file
from surfalign.workflows.engines.vasp.outputs.method import element_of, functional_name
from surfalign.workflows.engines.vasp.outputs.phrases import END_OF_OUTCAR
from surfalign.workflows.engines.vasp.outputs.step_context import StepContext

#: Tags that share out the work, or are labels: they do not change what is computed.
NOT_NUMERICAL = frozenset(
    {"KPAR", "NCORE", "NPAR", "NSIM", "LPLANE", "LSCALAPACK", "LSCALU", "SYSTEM", "NWRITE"}
)


#: A process that uses so many times what VASP reckons with, and so much more (kB), does not.
_MEMORY_FACTOR, _MEMORY_BASE = 30.0, 8e6


def calculation_record(
    main: Calculation,
    context: StepContext,
    *,
    checks: Sequence[Check] = (),
    notes: Sequence[str] = (),
    hostname: str | None = None,
) -> CalculationRecord:
    """Return the record of a step.

    Parameters
    ----------
    main
        The calculation that gave the number.
    context
        What the step knows of itself; its folders are all calculations of the step.
    checks, notes
        Checks and warnings of the step, besides those of the context.
    hostname
        Machine; None means this one.
    """
    folders = {stage: Path(folder) for stage, folder in context.folders.items()}
    runs = {s: main if f == main.directory else Calculation(f) for s, f in folders.items()}
    settings = dict(context.settings)
    for stage, run in runs.items():
        settings[stage] = {"incar": numerical_tags(run), "k_points": k_points(run)}
    costs = [cost(run.directory) for run in runs.values()]
    generator = main.vasprun.generator
    return CalculationRecord(
        step=context.step,
        engine=str(generator.get("PROGRAM", "vasp")).strip().lower(),
        engine_version=str(main.vasprun.vasp_version).strip(),
        code_versions={name: version(name) for name in ("pymatgen", "custodian")},
        xc=context.xc or functional_name(main),
        quality=context.quality,
        settings=settings,
        settings_hash=hash_of(settings),
        datasets=potentials(main),
        cores=max([context.cores or 1, *(c.cores for c in costs)]),
        wall_time=sum(c.wall_time for c in costs),
        cpu_time=sum(c.cpu_time for c in costs),
        peak_memory=max((c.memory for c in costs if c.memory is not None), default=None),
        started_at=context.started_at,
        hostname=socket.gethostname() if hostname is None else hostname,
        warnings=[*context.warnings, *notes],
        checks=list(checks),
        corrections=list(context.corrections),
    )


def numerical_tags(run: Calculation) -> dict[str, Any]:
    """Return the tags of INCAR that shape the numbers, as plain JSON values."""
    tags = {k.upper(): _plain(v) for k, v in run.incar.items() if k.upper() not in NOT_NUMERICAL}
    return dict(sorted(tags.items()))


def k_points(run: Calculation) -> dict[str, Any]:
    """Return the mesh or, where the points were listed, the points and their weights."""
    points = run.vasprun.kpoints
    style = str(points.style.name)
    if style.lower().startswith(("gamma", "monkhorst")):
        shift = [float(x) for x in points.kpts_shift or (0, 0, 0)]
        return {"style": style, "divisions": [int(n) for n in points.kpts[0]], "shift": shift}
    rows = zip(run.vasprun.actual_kpoints, run.vasprun.actual_kpoints_weights, strict=True)
    listed = [[*(round(float(x), 8) for x in k), round(float(w), 8)] for k, w in rows]
    return {"style": style, "points": listed}


def potentials(run: Calculation) -> dict[str, str]:
    """Return title, and where POTCAR is at hand its SHA-256, of the potential of each element."""
    hashes = _potcar_hashes(run.directory)
    found = {}
    for title in run.vasprun.potcar_symbols:
        found[element_of(title)] = f"{title} sha256:{hashes[title]}" if title in hashes else title
    return found


def _potcar_hashes(directory: Path) -> dict[str, str]:
    path = find_file(directory, "POTCAR")
    if path is None:
        return {}
    with zopen(path, mode="rt", encoding="utf-8", errors="replace") as file:
        sections = str(file.read()).split("End of Dataset")
    hashes = {}
    for section in sections:
        if title := re.search(r"TITEL\s*=\s*(.+)", section):
            text = " ".join(section.split())
            hashes[title[1].strip()] = hashlib.sha256(text.encode()).hexdigest()
    return hashes


def started_at(run: Calculation) -> datetime:
    """Return when VASP started, UTC; its files hold the local time of the machine."""
    path = run.file("OUTCAR")
    with zopen(path, mode="rt", encoding="utf-8", errors="replace") as file:
        head = str(file.read(4000))
    found = re.search(r"date\s+(\d{4})\.(\d\d)\.(\d\d)\s+(\d\d):(\d\d):(\d\d)", head)
    if found is None:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    year, month, day, hour, minute, second = (int(x) for x in found.groups())
    return datetime(year, month, day, hour, minute, second).astimezone(UTC)


@dataclass(frozen=True)
class Cost:
    """What a calculation took.

    Parameters
    ----------
    wall_time, cpu_time
        Seconds; the latter summed over all processes.
    cores
        Processes.
    memory
        Of all processes, GB; None where VASP did not say.
    """

    wall_time: float
    cpu_time: float
    cores: int
    memory: float | None


def cost(directory: Path) -> Cost:
    """Read the cost of the last run in a folder from the head and the tail of its OUTCAR."""
    path = find_file(directory, "OUTCAR")
    text = ""
    if path is not None:
        with zopen(path, mode="rt", encoding="utf-8", errors="replace") as file:
            text = str(file.read())
    ranks = re.search(r"running\s+(?:on\s+)?(\d+)\s+(?:mpi-ranks|total cores|nodes)", text[:20000])
    cores = int(ranks[1]) if ranks else 1
    closing = text[max(text.rfind(END_OF_OUTCAR), 0) :]  # a profile may follow

    def last(label: str) -> float | None:
        found = re.search(rf"{re.escape(label)}:\s*(\d+(?:\.\d*)?)", closing)
        return float(found[1]) if found else None

    wall = last("Elapsed time (sec)") or 0.0
    cpu = last("Total CPU time used (sec)") or wall  # of one process
    memory = _believable(last("Maximum memory used (kb)"), text)  # likewise
    return Cost(wall, cpu * cores, cores, None if memory is None else memory * cores / 1e6)


def _believable(kilobytes: float | None, text: str) -> float | None:
    """The memory of a process that VASP measured, unless it is far from what VASP had reckoned with.

    Some builds print hundreds of gigabytes for a cell of two atoms.
    """
    reckoned = re.search(r"total amount of memory used by VASP.*?([\d.]+)\s*kBytes", text)
    if kilobytes is None or reckoned is None:
        return kilobytes
    return kilobytes if kilobytes < _MEMORY_FACTOR * float(reckoned[1]) + _MEMORY_BASE else None


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str) else str(value)
