"""From a plan to flows: one flow for a crystal, with exactly its planned surfaces."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from jobflow import Flow
from pymatgen.core import Structure

from surfalign.errors import ConfigurationError
from surfalign.workflows.earlier_uuids import EarlierUuids
from surfalign.workflows.engines.engine import Engine
from surfalign.workflows.flows import BandAlignmentMaker
from surfalign.workflows.planning.survey import PlannedCrystal, PlannedSurface


def read_plan(path: Path) -> Iterator[tuple[PlannedCrystal, list[PlannedSurface]]]:
    """Yield the crystals of a plan with their surfaces, in the order of the crystals.

    The surfaces, which are small, are read at once; the crystals one by one.

    Parameters
    ----------
    path
        Written by :func:`~surfalign.workflows.planning.survey.write_plan`.

    Raises
    ------
    ConfigurationError
        When the file is no plan.
    """
    surfaces: dict[str, list[PlannedSurface]] = defaultdict(list)
    for line in _lines(path, "surface"):
        line["miller_index"] = tuple(line["miller_index"])
        surface = _record(PlannedSurface, line, path)
        surfaces[surface.crystal].append(surface)
    if not surfaces:
        raise ConfigurationError(
            f"{path} holds no surfaces", "a plan", "make one: surfalign plan library -o plan.jsonl"
        )
    for line in _lines(path, "crystal"):
        crystal = _record(PlannedCrystal, line, path)
        if members := surfaces.pop(crystal.key, None):
            yield crystal, members
    if surfaces:
        raise ConfigurationError(
            f"{path} lacks the crystals of {sum(map(len, surfaces.values()))} surfaces",
            "a line of every crystal",
            "make the plan anew: it was cut off",
        )


def crystal_flow(
    structure: Structure,
    source: str,
    surfaces: Sequence[tuple[str, tuple[int, int, int]]],
    engine: Engine,
    *,
    relax: bool = True,
    earlier: EarlierUuids | None = None,
    notes: Sequence[str] = (),
) -> Flow:
    """Return the flow of a crystal that computes exactly the given surfaces.

    Parameters
    ----------
    structure
        Primitive cell.
    source
        Where the crystal came from; stored with the results.
    surfaces
        Name and orientation of each, e.g. ``("MgO(100)-A", (1, 0, 0))``.
    engine
        The makers.
    relax
        Whether the ions of the slabs are relaxed.
    earlier
        Knows the steps of a store from before version 0.2, which keep their uuids.
    notes
        What is unusual about the crystal; stored with the results.
    """
    maker = BandAlignmentMaker(
        engine=engine,
        miller_indices=sorted({(h, k, l) for _, (h, k, l) in surfaces}),
        surface_names=sorted({name for name, _ in surfaces}),
        relax_slabs=relax,
    )
    return maker.make(structure, source, earlier, notes)


def _lines(path: Path, kind: str) -> Iterator[dict[str, Any]]:
    """Yield the lines of a kind; others are not parsed."""
    mark = f'"kind": "{kind}"'
    try:
        with path.open(encoding="utf-8") as stream:
            for number, text in enumerate(stream, 1):
                if mark not in text[:40]:
                    continue
                try:
                    line = json.loads(text)
                except ValueError as error:
                    raise ConfigurationError(
                        f"line {number} of {path} is no JSON", "a plan", "make the plan anew"
                    ) from error
                del line["kind"]
                yield line
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the plan {path} cannot be read: {error}", "a file of surfalign plan", "check the path"
        ) from error


def _record(kind: type[Any], line: dict[str, Any], path: Path) -> Any:
    known = {field.name for field in fields(kind)}
    needed = {f.name for f in fields(kind) if f.default is MISSING}
    if not needed <= set(line) <= known:
        raise ConfigurationError(
            f"a {kind.__name__} in {path} has the keys {', '.join(sorted(line))}",
            ", ".join(sorted(known)),
            "make the plan anew with this version",
        )
    return kind(**line)
