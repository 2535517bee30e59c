"""What error recovery did, read from custodian's log into the records of provenance."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from surfalign.stores.documents import Correction

#: Stops a run in time; the continuation is what is recorded.
_NO_ERROR = "CheckpointHandler"
LOG_FILE = "custodian.json"
CORRECTIONS_FILE = "corrections.json"


def corrections_of(folder: Path, stage: str) -> list[Correction]:
    """Return the corrections of custodian's last run in a folder, each once.

    Parameters
    ----------
    folder
        Folder of the calculation.
    stage
        Name of the calculation in its step.
    """
    log = folder / LOG_FILE
    if not log.is_file():
        return []
    found: list[Correction] = []
    for run in json.loads(log.read_text()):
        for entry in run["corrections"]:
            if entry["handler"].get("@class") == _NO_ERROR:
                continue
            changes = [line for action in entry["actions"] or () for line in describe(action)]
            correction = Correction(
                stage=stage,
                handler=str(entry["handler"].get("@class", "custodian")),
                errors=sorted(_readable(str(error)) for error in entry["errors"]),
                actions=changes or (["run again"] if entry["actions"] else []),
            )
            # a monitor that waits for VASP to stop writes the same entry at every turn
            if not found or found[-1] != correction:
                found.append(correction)
    return found


def _readable(error: str) -> str:
    """An error without the address of an object, which differs from run to run."""
    return re.sub(r"Bad handler=<\S*?(\w+) object at 0x[0-9a-f]+>", r"\1 tripped", error)


def describe(action: dict[str, Any]) -> Iterable[str]:
    """Return an action of custodian in words, e.g. ``INCAR: ALGO = All``."""
    target = str(action.get("dict") or action.get("file") or "custodian")
    for verb, values in action.get("action", {}).items():
        if verb == "_file_copy":
            yield f"{target} copied to {values['dest']}"
        elif verb == "_file_delete":
            yield f"{target} deleted"
        elif verb == "_unset":
            yield from (f"{target}: {name} removed" for name in values)
        elif isinstance(values, dict):
            for name, value in values.items():
                text = str(value)
                yield f"{target}: {name} = {text if len(text) < 80 else 'changed'}"


def load(folder: Path) -> list[Correction]:
    """Return the corrections that a step has recorded so far."""
    path = folder / CORRECTIONS_FILE
    if not path.is_file():
        return []
    return [Correction.model_validate(entry) for entry in json.loads(path.read_text())]


def record(folder: Path, corrections: Iterable[Correction]) -> None:
    """Add corrections to those that a step has recorded."""
    entries = [entry.model_dump() for entry in [*load(folder), *corrections]]
    (folder / CORRECTIONS_FILE).write_text(json.dumps(entries, indent=1))
