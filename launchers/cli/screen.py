"""``surfalign screen``: which surfaces meet a rule, and how probable that is."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from surfalign.errors import ConfigurationError
from surfalign.launchers.cli import options
from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.output import is_stdout, make_folders, output_console, write_json

with imported_when_used():
    from surfalign.launchers.cli import wanted_crystals
    from surfalign.launchers.cli.learn import sources
    from surfalign.launchers.cli.tables import screening as tables
    from surfalign.launchers.database import server
    from surfalign.launchers.figures import screening as figures
    from surfalign.ml.data import from_crystal, from_slab_files
    from surfalign.ml.models import screening as predicted
    from surfalign.settings import load_settings
    from surfalign.stores.query import language
    from surfalign.stores.screening import candidates as surfaces
    from surfalign.stores.screening import evaluation, question, report, rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from surfalign.ml.data.records import SurfaceRecord

commands = typer.Typer()


class Origin(StrEnum):
    """Where levels come from."""

    COMPUTED = "computed"
    PREDICTED = "predicted"
    BOTH = "both"


class Rows(StrEnum):
    """What a row of the table is."""

    SURFACE = "surface"
    FORMULA = "formula"


@commands.command()
def screen(
    rule: Annotated[
        str | None,
        typer.Argument(metavar="RULE", help="Name of a rule, or a YAML file with one; see --list."),
    ] = None,
    list_rules: Annotated[bool, typer.Option("--list", help="List the rules and end.")] = False,
    where: Annotated[
        str | None, typer.Option("--where", metavar="QUERY", help=options.QUERY_HELP)
    ] = None,
    origin: Annotated[
        Origin, typer.Option("--from", help="Stored results, a model's predictions, or both.")
    ] = Origin.COMPUTED,
    results: Annotated[
        Path | None,
        typer.Option(
            "--results",
            metavar="FILE",
            help="Results of this file instead of the store's: JSON of 'surfalign export', or .jsonl.",
        ),
    ] = None,
    crystal: Annotated[
        list[str] | None,
        typer.Option(
            "--crystal",
            metavar="CRYSTAL",
            help="Predict this crystal's surfaces (library name, file, database id); repeatable. Without "
            "--crystal and --slabs: the cleavage planes of the library.",
        ),
    ] = None,
    slabs: options.UnlabelledSlabs = None,
    max_index: options.LargestIndex = 1,
    model: options.Model = None,
    directory: options.Directory = None,
    ph: Annotated[
        float | None, typer.Option("--ph", help="pH of the redox levels, 0 to 14; 0 by default.")
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option("--margin", help="How far the edges shall be beyond the redox levels, eV."),
    ] = None,
    gap: Annotated[
        str | None,
        typer.Option("--gap", metavar="LOW,HIGH", help="Window of the gap, eV, e.g. 1.5,3.1."),
    ] = None,
    couple: Annotated[
        str | None, typer.Option("--couple", help="Redox couple, where a rule has a choice.")
    ] = None,
    work_function: Annotated[
        float | None, typer.Option("--work-function", help="Of the partner of a contact, eV.")
    ] = None,
    partner: Annotated[
        str | None, typer.Option("--partner", help="One of the rule's partners, e.g. Si or GaN.")
    ] = None,
    in_water: Annotated[
        bool,
        typer.Option("--in-water", help="Move the edges up by 0.5 eV, as water does on average."),
    ] = False,
    without: options.Without = None,
    flagged: options.Flagged = False,
    by: Annotated[Rows, typer.Option("--by", help="A row a surface, or a row a formula.")] = (
        Rows.SURFACE
    ),
    limit: Annotated[
        int, typer.Option("--limit", min=0, help="Rows of the table; 0 shows all.")
    ] = 30,
    json_file: options.JsonFile = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", metavar="DIR", help="Draw the band edges into DIR.")
    ] = None,
) -> None:
    """Rank surfaces by the probability that they meet a rule.

    The probability follows from the errors of the levels: computed ones have their convergence error and the
    error of their method against measurements, predicted ones their calibrated distribution. The table says by
    how much a surface misses the rule.

    Example: surfalign screen water-splitting --ph 7 --where 'functional = ddh' --figure pictures

    Example: surfalign screen gate-dielectric --from predicted --partner GaN --without Pb,Cd --by formula
    """
    if list_rules:
        output_console().print(tables.rules_table(rules.known_rules()))
        return
    asked = question.ask(
        rules.load_rule(_named(rule)),
        question.Terms(
            ph, margin, _window(gap), couple, work_function, partner, in_water,
            load_settings().hydrogen_electrode,
        ),
    )  # fmt: skip
    avoided = surfaces.element_symbols(without or [], "--without")
    language.to_filter(where or "")
    make_folders(json_file, figure)
    found = surfaces.Candidates()
    if origin is Origin.COMPUTED:
        _refuse_slabs(crystal, slabs)
    if results is not None and origin is not Origin.PREDICTED:
        found += surfaces.file_candidates(results, where, flagged=flagged)
    elif origin is not Origin.PREDICTED:
        with server.open_database(announce=lambda line: typer.echo(line, err=True)) as database:
            found += surfaces.stored_candidates(database, where, flagged=flagged)
    if origin is not Origin.COMPUTED:
        records = _slabs_to_predict(crystal, slabs, max_index)
        registry, name = sources.model(directory, model)
        found += predicted.predicted_candidates(
            records, registry, model=name, query=where or "", flagged=flagged
        )
    found = surfaces.without_elements(found, avoided)
    report.require_surfaces(found, where)
    answer = evaluation.screen(asked, found)
    write_json(report.as_json(answer, found.area_fractions) if json_file else None, json_file)
    if not is_stdout(json_file):
        formulas = by is Rows.FORMULA
        shown = tables.formula_table if formulas else tables.surface_table
        output_console().print(shown(answer, found.area_fractions, limit or None))
    for line in (*asked.notes(), *tables.remarks(answer)):
        typer.echo(line, err=True)
    if figure is not None:
        typer.echo(f"Wrote {figures.save_screening_figure(answer, figure)}", err=True)


def _named(rule: str | None) -> str:
    if rule is None:
        raise ConfigurationError(
            "no rule is named", "the name of a rule, or a YAML file", "surfalign screen --list"
        )
    return rule


def _window(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low, high = 1.0, 0.0
    if not 0 <= low < high:
        raise ConfigurationError(
            f"{text!r} is no window of the gap",
            "two numbers, the smaller one first",
            "--gap 1.5,3.1",
        )
    return low, high


def _refuse_slabs(crystal: Sequence[str] | None, slabs: Path | None) -> None:
    if crystal or slabs:
        raise ConfigurationError(
            "crystals or slabs to predict, and stored results to screen",
            "--from predicted or --from both beside --crystal and --slabs",
            "add it, or choose stored results by --where",
        )


def _slabs_to_predict(
    crystal: Sequence[str] | None, slabs: Path | None, max_index: int
) -> list[SurfaceRecord]:
    """Return the slabs that are named, or the library's cleavage planes."""
    found = [] if slabs is None else from_slab_files.read_slab_file(slabs)
    for name in crystal or ():
        found += from_crystal.crystal_surfaces(wanted_crystals.load_with_notes(name), (), max_index)
    return found or from_crystal.library_surfaces()
