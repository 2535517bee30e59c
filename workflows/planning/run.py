"""Make a plan: read crystals, examine, order and survey them, deal out their surfaces, write them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Self, TypeVar

from surfalign.errors import InvalidStructureError
from surfalign.workflows.planning.crystals import Candidate, find_candidates
from surfalign.workflows.planning.survey import (
    PlannedCrystal,
    PlannedSurface,
    PlanSettings,
    deal,
    examine,
    ordered,
    survey_crystal,
    write_plan,
)

T = TypeVar("T")
R = TypeVar("R")
#: Called with what is being done, how many are done, and of how many.
OnProgress = Callable[[str, int, int], None]

#: Crystals that are surveyed before it is asked whether there are enough surfaces.
_BATCH = 32


@dataclass(frozen=True)
class Plan:
    """What came of planning.

    Attributes
    ----------
    surfaces
        The chosen ones, as they are in the file.
    n_read, n_duplicates
        Crystals read, and those that are another one of them.
    refused
        Reason to the sources of the crystals that were left out for it.
    faults
        Files that could not be read, each with all that was found.
    notes
        What is unusual about the crystals of the plan, by source.
    unused
        Numbers that lists hold and that were not used.
    """

    surfaces: list[PlannedSurface]
    n_read: int
    n_duplicates: int
    refused: dict[str, list[str]]
    faults: dict[str, str] = field(default_factory=dict)
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unused: tuple[str, ...] = ()


def make_plan(
    targets: Sequence[str],
    output: Path,
    settings: PlanSettings,
    *,
    cores: int = 1,
    on_progress: OnProgress = lambda title, done, total: None,
) -> Plan:
    """Choose the surfaces of a campaign and write them to a file.

    Finished surveys stand beside it in ``.partial`` while it works: a plan that was interrupted goes on
    from there.

    Parameters
    ----------
    targets
        Sources of crystals, as :func:`.crystals.find_candidates` takes them.
    output
        JSON lines, see :func:`.survey.write_plan`.
    settings
        What is planned.
    cores
        Processes; with one, this process does the work.
    on_progress
        Hears how far it is.

    Raises
    ------
    InvalidStructureError
        None of the files can be read.
    UnknownMaterialError
        A target is neither a path nor a known name.
    """
    candidates = list(find_candidates(targets))
    _check_readable(candidates)
    cache = _Cache(output.with_name(output.name + ".partial"), settings)
    refused: dict[str, list[str]] = defaultdict(list)
    passed: list[PlannedCrystal] = []
    with _Workers(cores, on_progress) as workers:
        examined = workers.map(
            partial(examine, settings=settings), candidates, "Examining crystals"
        )
        for candidate, result in zip(candidates, examined, strict=True):
            if isinstance(result, str):
                refused[result].append(candidate.source)
            else:
                passed.append(result)
        queue, n_duplicates = ordered(passed)
        surfaces = _survey(queue, settings, cache, workers, refused)
    chosen = deal(surfaces, settings.limit)
    crystals = {crystal.key: crystal for crystal in queue}
    write_plan(output, chosen, crystals, settings)
    cache.remove()
    members = [crystals[key] for key in dict.fromkeys(surface.crystal for surface in chosen)]
    return Plan(
        chosen,
        len(candidates),
        n_duplicates,
        dict(refused),
        faults={c.source: c.fault for c in candidates if c.fault},
        notes={crystal.source: crystal.notes for crystal in members if crystal.notes},
        unused=tuple(sorted({name for candidate in candidates for name in candidate.unused})),
    )


def _check_readable(candidates: Sequence[Candidate]) -> None:
    faults = [candidate.fault for candidate in candidates if candidate.fault]
    if faults and len(faults) == len(candidates):
        more = f" ({len(faults) - 1} more files cannot be read)" if len(faults) > 1 else ""
        raise InvalidStructureError(faults[0] + more)


def _survey(
    queue: Sequence[PlannedCrystal],
    settings: PlanSettings,
    cache: _Cache,
    workers: _Workers,
    refused: dict[str, list[str]],
) -> dict[str, list[PlannedSurface]]:
    """Survey crystals in their order until there are enough surfaces; return these by crystal."""
    surfaces: dict[str, list[PlannedSurface]] = {}
    total = 0
    for start in range(0, len(queue), _BATCH):
        members = queue[start : start + _BATCH]
        missing = [crystal for crystal in members if crystal.key not in cache.results]
        title = f"Surveying crystals ({total} of {settings.limit} surfaces)"
        results = workers.map(partial(survey_crystal, settings=settings), missing, title)
        for crystal, result in zip(missing, results, strict=True):
            cache.add(crystal.key, result)
        for crystal in members:
            found = cache.results[crystal.key]
            if isinstance(found, str):
                refused[found].append(crystal.source)
            else:
                surfaces[crystal.key] = found
                total += len(found)
        if total >= settings.limit:
            break
    return surfaces


class _Cache:
    """Surveys done so far, one JSON line each, for a plan that is interrupted."""

    def __init__(self, path: Path, settings: PlanSettings) -> None:
        self.path = path
        self.results: dict[str, list[PlannedSurface] | str] = {}
        header = json.dumps(asdict(settings))
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        if not lines or lines[0] != header:
            path.write_text(header + "\n", encoding="utf-8")
            return
        for line in lines[1:]:
            try:
                key, result = json.loads(line)
            except ValueError:  # the line that was being written when the plan was killed
                continue
            self.results[key] = result if isinstance(result, str) else [*map(_surface, result)]

    def add(self, key: str, result: list[PlannedSurface] | str) -> None:
        """Keep the survey of a crystal."""
        self.results[key] = result
        plain = result if isinstance(result, str) else [asdict(s) for s in result]
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps([key, plain]) + "\n")

    def remove(self) -> None:
        """Forget all: the plan is written."""
        self.path.unlink(missing_ok=True)


def _surface(plain: dict[str, Any]) -> PlannedSurface:
    return PlannedSurface(**{**plain, "miller_index": tuple(plain["miller_index"])})


class _Workers:
    """Processes that apply functions to lists and tell how far they are; one core: no processes."""

    def __init__(self, cores: int, on_progress: OnProgress) -> None:
        # Processes are started afresh: forking a process with running threads may hang it.
        self._cores = cores
        self._on_progress = on_progress
        self._pool = (
            ProcessPoolExecutor(cores, mp_context=get_context("forkserver")) if cores > 1 else None
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def map(self, function: Callable[[T], R], items: Sequence[T], title: str) -> list[R]:
        """Return the results in the order of the items."""
        results: Iterable[R]
        if self._pool is None or len(items) < 2:
            results = map(function, items)
        else:
            share = max(1, min(8, len(items) // (4 * self._cores)))
            results = self._pool.map(function, items, chunksize=share)
        found = []
        for result in results:
            found.append(result)
            self._on_progress(title, len(found), len(items))
        return found
