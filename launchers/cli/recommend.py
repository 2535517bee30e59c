"""``surfalign recommend``: compositions that are in no list and look as if they should exist."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.options import JsonFile, Without
from surfalign.launchers.cli.output import is_stdout, make_folders, output_console, write_json

with imported_when_used():
    from surfalign.launchers.cli.learn import sources
    from surfalign.ml.recommendation import compositions, estimates, ranking
    from surfalign.stores.screening import candidates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from surfalign.ml.recommendation.ranking import Recommendation, Validation

commands = typer.Typer()


@commands.command()
def recommend(
    formulas: Annotated[
        list[Path],
        typer.Argument(
            metavar="FORMULAS...", help="Files of known oxides: a formula a line, or CSV."
        ),
    ],
    limit: Annotated[int, typer.Option(min=1, help="Show this number.")] = 30,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="ELEMENTS", help="With these cations alone, e.g. Ti,Sn."),
    ] = None,
    without: Without = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Labelled surfaces ('learn freeze'): estimates IP and EA from the formula alone."
        ),
    ] = None,
    validate: Annotated[
        bool,
        typer.Option(
            "--validate",
            help="Hide a fifth of the list, five times, and count what is found again.",
        ),
    ] = False,
    json_file: JsonFile = None,
) -> None:
    """Recommend oxides of two cations that are not in a list of known ones.

    A tensor of cation, cation and stoichiometry is completed from the oxides in the list. The score is about 1
    for oxides in the list and about 0 for most others. An oxide that is recommended may be known elsewhere: the
    list knows only what it holds.

    Example: surfalign recommend known-oxides.csv --without Pb,Cd,Hg

    Example: surfalign recommend known.txt --only Sn,Ba,Sr,Ca --data levels.dataset.json.gz --json -

    Example: surfalign recommend known-oxides.csv --validate
    """
    make_folders(json_file)
    wanted = candidates.element_symbols(only or [], "--only")
    unwanted = candidates.element_symbols(without or [], "--without")
    known = compositions.known_oxides(
        text for path in formulas for text in compositions.read_formulas(path)
    )
    typer.echo(f"{len(known.oxides)} oxides of two cations in the list", err=True)
    for reason, number in known.left_out.items():
        typer.echo(f"left out: {number} ({reason})", err=True)
    validation = ranking.validate(known.oxides, on_progress=_say_split) if validate else None
    found = [
        one
        for one in ranking.recommend(known.oxides)
        if not unwanted.intersection(one.oxide.cations)
        and (not wanted or wanted.issuperset(one.oxide.cations))
    ]
    rows = _rows(found[:limit], data)
    plain: dict[str, Any] = {"n_known": len(known.oxides), "left_out": known.left_out}
    if validation is not None:
        plain["validation"] = validation.as_dict()
    write_json(plain | {"n_candidates": len(found), "recommended": rows}, json_file)
    if not is_stdout(json_file):
        console = output_console()
        if validation is not None:
            console.print(_validation_table(validation))
        console.print(_table(rows, len(found)))


def _rows(found: Sequence[Recommendation], data: list[Path] | None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"rank": place, "formula": one.oxide.formula, "score": one.score}
        for place, one in enumerate(found, 1)
    ]
    if data and rows:
        told = estimates.estimate_levels(
            [row["formula"] for row in rows], sources.labelled_data(data)
        )
        for row, estimate in zip(rows, told, strict=True):
            row |= {
                **estimate.levels,
                "standard_deviation": estimate.deviations,
                "unknown_elements": list(estimate.unknown_elements),
            }
    return rows


def _say_split(done: int, total: int) -> None:
    typer.echo(f"hidden and searched: {done} of {total}", err=True)


def _validation_table(validation: Validation) -> Table:
    shown = Table(
        caption=f"Of {validation.n_hidden:.0f} hidden oxides {validation.n_findable:.0f} are among the "
        f"{validation.n_candidates:.0f} candidates; means of {len(validation.seeds)} splits"
    )
    for name in ("First", "Hidden ones found", "By popularity", "By chance", "Times chance"):
        shown.add_column(name, justify="right")
    for row in validation.enrichment:
        shown.add_row(
            str(row.length),
            f"{row.found:.1f}",
            f"{row.by_popularity:.1f}",
            f"{row.by_chance:.1f}",
            f"{row.over_chance:.0f}",
        )
    return shown


def _table(rows: Sequence[dict[str, Any]], n_candidates: int) -> Table:
    with_levels = any("ionization_potential" in row for row in rows)
    shown = Table(caption=f"{len(rows)} of {n_candidates} neutral compositions")
    for name in ("Rank", "Formula", "Score", *(("IP (eV)", "EA (eV)", "") if with_levels else ())):
        shown.add_column(name, justify="left" if name in ("Formula", "") else "right")
    for row in rows:
        cells = [str(row["rank"]), escape(row["formula"]), f"{row['score']:.2f}"]
        if with_levels:
            cells += [
                f"{row[name]:.1f} ± {row['standard_deviation'][name]:.1f}"
                for name in ("ionization_potential", "electron_affinity")
            ]
            cells.append(
                f"never seen: {', '.join(row['unknown_elements'])}"
                if row["unknown_elements"]
                else ""
            )
        shown.add_row(*cells)
    return shown
