"""``surfalign plan``: choose the surfaces of a campaign."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer
from rich.console import Console
from rich.progress import track

from surfalign.launchers.cli.output import output_console
from surfalign.launchers.cli.tables.surface_records import estimated_cpu_time
from surfalign.processes import available_cores
from surfalign.settings import load_settings
from surfalign.workflows.planning import survey as campaigns
from surfalign.workflows.planning.crystals import find_candidates
from surfalign.workflows.planning.survey import PlannedSurface

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    from surfalign.workflows.planning.survey import PlannedSurface, PlanSettings

    T = TypeVar("T")
    R = TypeVar("R")

commands = typer.Typer()


@commands.command()
def plan(
    crystals: Annotated[
        list[str],
        typer.Argument(help="Directories, structure files, JSON lists (.json, .json.gz), library."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Plan to write (JSON lines).")],
    max_index: Annotated[int, typer.Option("--max-index", min=1, help="Largest Miller index.")] = 2,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Number of surfaces.")] = 3000,
    max_atoms: Annotated[int, typer.Option("--max-atoms", help="Most atoms of a slab.")] = 120,
    max_sites: Annotated[
        int, typer.Option("--max-sites", help="Most atoms of a primitive cell.")
    ] = 40,
    max_per_crystal: Annotated[
        int, typer.Option("--max-per-crystal", help="Most surfaces of one crystal.")
    ] = 8,
    min_band_gap: Annotated[
        float,
        typer.Option("--min-band-gap", help="Least band gap (eV), where the source states one."),
    ] = 0.3,
    select: Annotated[
        list[str] | None,
        typer.Option(
            "--select", help="Only crystals with this element, or without it (-Fe); repeatable."
        ),
    ] = None,
    types: Annotated[
        str, typer.Option("--types", help="Types of terminations, any of ABC.")
    ] = "ABC",
    time_limit: Annotated[
        int, typer.Option("--time-limit", min=1, help="Longest work on one crystal (s).")
    ] = 60,
    cores: Annotated[
        int | None, typer.Option("--cores", min=1, help="Processes; one a core by default.")
    ] = None,
) -> None:
    """Choose the surfaces of a campaign: filter, remove duplicates, balance over formulas.

    The plan depends on the crystals alone, not on their order. An interrupted plan goes on where it
    stopped when the same command is given again.

    Example: surfalign plan crystals/ library --max-index 1 --limit 500 -o plan.jsonl
    """
    wanted = select or []
    settings = campaigns.PlanSettings(
        max_index=max_index,
        limit=limit,
        max_atoms=max_atoms,
        max_sites=max_sites,
        max_per_crystal=max_per_crystal,
        min_band_gap=min_band_gap,
        elements=tuple(sorted(e for e in wanted if not e.startswith("-"))),
        without=tuple(sorted(e[1:] for e in wanted if e.startswith("-"))),
        types=types.upper(),
        time_limit=time_limit,
    )
    make_plan(crystals, output, settings, cores or available_cores(load_settings()))


def make_plan(targets: list[str], output: Path, settings: PlanSettings, cores: int) -> None:
    """Examine, order, survey, deal and write; show progress and a summary."""
    console = output_console()
    candidates = list(find_candidates(targets))
    cache = _Cache(output.with_name(output.name + ".partial"), settings)
    surfaces: dict[str, list[PlannedSurface]] = {}
    with _Workers(cores) as workers:
        examine = partial(campaigns.examine, settings=settings)
        examined = workers.map(examine, candidates, "Examining crystals")
        refused = Counter(result for result in examined if isinstance(result, str))
        slow = [c.source for c, r in zip(candidates, examined, strict=True) if r == "time_limit"]
        passed = [result for result in examined if not isinstance(result, str)]
        queue, n_duplicates = campaigns.ordered(passed)
        total, batch = 0, 32
        survey = partial(campaigns.survey_crystal, settings=settings)
        for start in range(0, len(queue), batch):
            members = queue[start : start + batch]
            missing = [crystal for crystal in members if crystal.key not in cache]
            title = f"Surveying crystals ({total} of {settings.limit} surfaces)"
            for crystal, result in zip(missing, workers.map(survey, missing, title), strict=True):
                cache.add(crystal.key, result)
            for crystal in members:
                found = cache[crystal.key]
                if isinstance(found, str):
                    refused[found] += 1
                    slow += [crystal.source] if found == "time_limit" else []
                else:
                    surfaces[crystal.key] = found
                    total += len(found)
            if total >= settings.limit:
                break
    chosen = campaigns.deal(surfaces, settings.limit)
    campaigns.write_plan(output, chosen, {crystal.key: crystal for crystal in queue}, settings)
    cache.remove()

    n_crystals = len({surface.crystal for surface in chosen})
    n_formulas = len({surface.formula for surface in chosen})
    console.print(
        f"{len(chosen)} surfaces of {n_crystals} crystals ({n_formulas} formulas) in {output}",
        soft_wrap=True,
    )
    console.print(
        f"{len(candidates)} crystals read, {n_duplicates} duplicates; refused: "
        + (", ".join(f"{reason} {n}" for reason, n in sorted(refused.items())) or "none"),
        soft_wrap=True,
    )
    if slow:
        console.print(
            f"Not done within {settings.time_limit} s (--time-limit): {', '.join(slow)}",
            soft_wrap=True,
        )
    for heading, counts in campaigns.summary(chosen).items():
        console.print(f"By {heading}: " + ", ".join(f"{k} {n}" for k, n in counts.items()))

    hours = sum(estimated_cpu_time(surface.n_atoms) for surface in chosen) / 3600
    console.print(f"Slab potentials: about {hours:,.0f} CPU hours (to a factor of three or so)")


class _Cache:
    """Surveys done so far, one JSON line each, for a plan that is interrupted."""

    def __init__(self, path: Path, settings: PlanSettings) -> None:
        self.path = path
        self._results: dict[str, list[PlannedSurface] | str] = {}
        header = json.dumps(asdict(settings))
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        if lines and lines[0] == header:
            for line in lines[1:]:
                try:
                    key, result = json.loads(line)
                except ValueError:  # the line that was being written when the plan was killed
                    continue
                self._results[key] = (
                    result
                    if isinstance(result, str)
                    else [
                        PlannedSurface(**{**s, "miller_index": tuple(s["miller_index"])})
                        for s in result
                    ]
                )
        else:
            path.write_text(header + "\n", encoding="utf-8")

    def __contains__(self, key: str) -> bool:
        return key in self._results

    def __getitem__(self, key: str) -> list[PlannedSurface] | str:
        return self._results[key]

    def add(self, key: str, result: list[PlannedSurface] | str) -> None:
        self._results[key] = result
        plain = result if isinstance(result, str) else [asdict(s) for s in result]
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps([key, plain]) + "\n")

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


class _Workers:
    """Processes that apply functions to lists, with a progress bar; one core means no processes."""

    def __init__(self, cores: int) -> None:
        # Processes are started afresh: forking a process with running threads may hang it.
        self._cores = cores
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
        console = Console(stderr=True)
        results: Iterable[R]
        if self._pool is None or len(items) < 2:
            results = map(function, items)
        else:
            share = max(1, min(8, len(items) // (4 * self._cores)))
            results = self._pool.map(function, items, chunksize=share)
        return list(
            track(
                results,
                total=len(items),
                description=title,
                console=console,
                disable=not console.is_terminal,
                transient=True,
            )
        )
