"""What error recovery did, read from custodian's log into the records of provenance."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from monty.io import zopen

from surfalign.stores.documents import Correction
from surfalign.workflows.engines.vasp.outputs.files import find_file

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
    found: list[Correction] = []
    for entry in _entries(folder):
        handler = entry.get("handler") or {}  # the custodian of 2013 did not name it
        name = handler.get("@class", "custodian") if isinstance(handler, dict) else str(handler)
        if name == _NO_ERROR:
            continue
        actions = entry.get("actions") or ()
        changes = [line for action in actions for line in describe(action)]
        correction = Correction(
            stage=stage,
            handler=name,
            errors=sorted(_readable(str(error)) for error in entry.get("errors") or ()),
            actions=changes or (["run again"] if actions else []),
        )
        # a monitor that waits for VASP to stop writes the same entry at every turn
        if not found or found[-1] != correction:
            found.append(correction)
    return found


def _entries(folder: Path) -> list[dict[str, Any]]:
    """The entries of custodian's log, plain or compressed; none where it is empty or broken off.

    What was corrected is provenance: no number hangs on it, so a broken log refuses none.
    """
    log = find_file(folder, LOG_FILE)
    if log is None:
        return []
    try:
        with zopen(log, mode="rt", encoding="utf-8", errors="replace") as file:
            runs = json.loads(file.read())
    except (OSError, EOFError, ValueError):
        return []
    runs = [run for run in runs if isinstance(run, dict)] if isinstance(runs, list) else []
    entries = [entry for run in runs for entry in run.get("corrections") or ()]
    return [entry for entry in entries if isinstance(entry, dict)]


def _readable(error: str) -> str:
    """An error without the address of an object, which differs from run to run."""
    return re.sub(r"Bad handler=<\S*?(\w+) object at 0x[0-9a-f]+>", r"\1 tripped", error)


def describe(action: dict[str, Any]) -> Iterable[str]:
    """Return an action of custodian in words, e.g. ``INCAR: ALGO = All``."""
    changes = action.get("action") if isinstance(action, dict) else None
    if not isinstance(changes, dict):  # an older custodian's
        yield str(action)
        return
    target = str(action.get("dict") or action.get("file") or "custodian")
    for verb, values in changes.items():
        if verb == "_file_copy":
            yield f"{target} copied to {dict(values).get('dest', 'another file')}"
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
