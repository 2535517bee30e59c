"""``surfalign learn freeze`` and ``import-jacs-si``: data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surfalign.launchers.cli import options
from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.output import print_json
from surfalign.launchers.cli.progress import Counted

with imported_when_used():
    from surfalign.launchers.cli.learn import sources
    from surfalign.ml.data import candidate_surfaces, from_jacs_table, from_medians
    from surfalign.ml.data import datasets as data

commands = typer.Typer()


Output = Annotated[Path, typer.Option("--output", "-o", help="File to write, *.dataset.json.gz.")]
Crystals = Annotated[
    Path,
    typer.Option("--crystals", help="Folder of crystal structures (CIF, POSCAR, JSON)."),
]


@commands.command()
def freeze(
    output: Output = Path("surfaces.dataset.json.gz"),
    query: options.Query = None,
    slabs: options.Slabs = None,
    datasets: options.Datasets = None,
    tables: options.Tables = None,
    properties: options.Properties = None,
    crystals: options.FormulaCrystals = None,
    min_gap: options.MinGap = None,
    flagged: Annotated[
        bool,
        typer.Option("--flagged", help="Keep results with a failed check, with a lower weight."),
    ] = False,
    mixed: Annotated[
        bool,
        typer.Option(
            "--mixed-methods", help="Allow results of several functionals, as fidelities."
        ),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Freeze results of the store, files of slabs, tables or data sets into one hashed file.

    Left out are failed results, flagged results (unless --flagged is given) and slabs without a reliable
    vacuum level; each reason is counted. Results of several functionals are refused unless --mixed-methods is
    given.

    Example: surfalign learn freeze --query 'functional = ddh' -o ddh.dataset.json.gz

    Example: surfalign learn freeze --table eps.csv --properties eps.yaml -o eps.dataset.json.gz
    """
    given = sources.Tables(tables or (), properties, crystals)
    dataset = sources.gather(
        slabs, datasets, query, given, min_gap=min_gap, flagged=flagged, mixed=mixed
    )
    data.write_dataset(dataset, output)
    sources.say_what_is_left_out(dataset)
    typer.echo(f"Wrote {output}", err=True)
    if as_json:
        print_json(dataset.summary())


@commands.command("import-jacs-si")
def import_jacs_si(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.xlsx", help="The table, ja3c13574_si_002.xlsx.")
    ],
    crystals: Crystals,
    output: Output = Path("jacs-si.dataset.json.gz"),
) -> None:
    """Import the table of surfaces of J. Am. Chem. Soc. 146, 9697 (2024).

    Rows are matched to the enumerated surfaces of the crystals by formula, space group and Miller index.
    Where an orientation has several terminations, a row belongs to the set of them.

    Example: surfalign learn import-jacs-si ja3c13574_si_002.xlsx --crystals crystals/
    """
    found, unreadable = candidate_surfaces.read_crystals(crystals)
    _say_unreadable(unreadable)
    dataset = from_jacs_table.import_table(file, found, Counted("orientations"))
    data.write_dataset(dataset, output)
    sources.say_what_is_left_out(dataset)
    typer.echo(f"Wrote {output}", err=True)


@commands.command("import-medians")
def import_medians(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="Columns formula and ip_median_ev.")
    ],
    crystals: Crystals,
    output: Output = Path("medians.dataset.json.gz"),
) -> None:
    """Import median IPs of formulas as weak labels of the enumerated surfaces.

    Example: surfalign learn import-medians medians.csv --crystals crystals/
    """
    found, unreadable = candidate_surfaces.read_crystals(crystals)
    _say_unreadable(unreadable)
    dataset = from_medians.import_medians(file, found, Counted("formulas"))
    data.write_dataset(dataset, output)
    sources.say_what_is_left_out(dataset)
    typer.echo(f"Wrote {output}", err=True)


def _say_unreadable(unreadable: dict[str, list[str]]) -> None:
    for reason, names in unreadable.items():
        for name in names:
            typer.echo(f"{reason}: {name}", err=True)
