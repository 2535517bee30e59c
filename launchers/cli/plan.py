"""``surfalign plan``: choose the surfaces of a campaign."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.output import output_console
from surfalign.launchers.cli.progress import Bar
from surfalign.processes import available_cores

with imported_when_used():
    from surfalign import settings
    from surfalign.workflows.planning import cost, run, survey
    from surfalign.workflows.planning import crystals as candidates

if TYPE_CHECKING:
    from surfalign.workflows.planning.run import Plan
    from surfalign.workflows.planning.survey import PlanSettings

commands = typer.Typer()

#: Faults, and notes, that are shown in full; all notes are in the plan.
SHOWN = 20


@commands.command()
def plan(
    crystals: Annotated[
        list[str],
        typer.Argument(help="Directories, structure files, JSON lists (.json, .json.gz), library."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Plan to write (JSON lines).")],
    max_index: Annotated[int, typer.Option("--max-index", min=1, help="Largest Miller index.")] = 2,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most surfaces of the plan.")] = 3000,
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
        str, typer.Option("--types", help="Terminations to take, any of ABC.")
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
    chosen = survey.PlanSettings(
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
    with Bar() as bar:
        made = run.make_plan(
            crystals,
            output,
            chosen,
            cores=cores or available_cores(settings.load_settings()),
            on_progress=bar,
        )
    _report(made, output, chosen)


def _report(made: Plan, output: Path, chosen: PlanSettings) -> None:
    console = output_console()
    surfaces = made.surfaces
    n_crystals = len({surface.crystal for surface in surfaces})
    n_formulas = len({surface.formula for surface in surfaces})
    refused = ", ".join(f"{why} {len(sources)}" for why, sources in sorted(made.refused.items()))
    lines = [
        f"{len(surfaces)} surfaces of {n_crystals} crystals ({n_formulas} formulas) in {output}",
        f"{made.n_read} crystals read, {made.n_duplicates} duplicates; refused: {refused or 'none'}",
    ]
    if slow := made.refused.get(survey.TIME_LIMIT):
        lines.append(f"Not done within {chosen.time_limit} s (--time-limit): {', '.join(slow)}")
    if unreadable := made.refused.get(candidates.UNREADABLE):
        lines.append(f"No structure that can be read: {', '.join(unreadable)}")
    lines += _named("Not read", made.faults.items())
    lines += _named(
        "Note", ((source, note) for source, notes in made.notes.items() for note in notes)
    )
    if made.unused:
        lines.append(f"Numbers of the lists that were not used: {', '.join(made.unused)}")
    for heading, counts in survey.summary(surfaces).items():
        lines.append(f"By {heading}: " + ", ".join(f"{k} {n}" for k, n in counts.items()))
    vacuum = chosen.vacuum_thickness
    hours = sum(cost.planned_cpu_time(surface, vacuum) for surface in surfaces) / 3600
    lines.append(
        f"One ground state of each slab by GPAW at standard: about {hours:,.0f} CPU hours "
        "(to a factor of two or so)"
    )
    for line in lines:
        console.print(escape(line), soft_wrap=True)


def _named(heading: str, pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Return a line for each source and what is to be said of it, the first :data:`SHOWN` of them."""
    lines = [f"{heading}: {source}: {text}" for source, text in pairs]
    if len(lines) > SHOWN:
        lines[SHOWN:] = [f"{heading}: {len(lines) - SHOWN} more"]
    return lines
