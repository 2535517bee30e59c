"""Options that several commands take, each with one name and one help."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from surfalign.errors import ConfigurationError

# --- crystals and surfaces ---------------------------------------------------------------------------

Orientations = Annotated[
    list[str] | None,
    typer.Option(
        "--hkl",
        help="Orientation h,k,l (or h,k,i,l) in the conventional cell; repeatable.",
        metavar="H,K,L",
    ),
]
FileOrientations = Annotated[
    list[str] | None,
    typer.Option(
        "--hkl-of-file",
        help="Orientation h,k,l in the cell of the structure file itself; repeatable.",
        metavar="H,K,L",
    ),
]
#: For commands that take all nonpolar orientations where none is named.
OnlyOrientations = Annotated[
    list[str] | None,
    typer.Option("--hkl", help="Only this orientation, e.g. 1,1,0; repeatable.", metavar="H,K,L"),
]
Without = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="ELEMENTS", help="Elements to avoid, e.g. Pb,Cd."),
]
MaxIndex = Annotated[
    int | None, typer.Option(min=1, max=3, help="All nonpolar orientations up to this index.")
]
WithOxygen = Annotated[
    bool,
    typer.Option(
        "--oxygen",
        help="Also the surfaces with their outermost oxygen removed, or more of it added.",
    ),
]
Where = Annotated[
    str | None,
    typer.Option(
        "--where", metavar="EXPR", help="Only results that match, e.g. 'quality = quick'."
    ),
]
Flagged = Annotated[
    bool, typer.Option("--flagged", help="Take results with failed checks too; they are marked.")
]
Mixed = Annotated[
    bool,
    typer.Option("--mixed", help="Take results of several methods together; the output says so."),
]
LargestIndex = Annotated[int, typer.Option("--max-index", min=1, help="Largest Miller index.")]

# --- the calculation ---------------------------------------------------------------------------------

Functional = Annotated[str, typer.Option(help="Band edges by ddh, hse06, pbe0 or pbesol.")]
QualityName = Annotated[str, typer.Option(help="Preset: quick, standard or converged.")]
Relax = Annotated[bool, typer.Option("--relax/--no-relax", help="Relax the ions of the slabs.")]
Cores = Annotated[int | None, typer.Option(min=1, help="Cores of one calculation; all by default.")]
EngineName = Annotated[str, typer.Option(help="DFT engine.")]
EngineOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        help="Option of this engine alone, e.g. spin_orbit=heavy; repeatable.",
        metavar="NAME=VALUE",
    ),
]
FitVolume = Annotated[
    bool,
    typer.Option(
        "--fit-volume", help="Fit the bulk's volume by E(V); else the given cell is kept."
    ),
]

# --- campaigns ---------------------------------------------------------------------------------------

ProfileName = Annotated[
    str,
    typer.Option(
        "--profile", metavar="PROFILE", help="Profile: a name in surfalign.yaml, or a YAML file."
    ),
]
#: For commands that take the only profile of the settings where none is named.
OneProfile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="PROFILE",
        help="Profile: a name in surfalign.yaml, or a YAML file; not needed where there is only one.",
    ),
]
QUERY_HELP = "Query, e.g. 'ionization_potential > 6 eV and formula = MgO'; all results without one."
Expression = Annotated[str | None, typer.Argument(metavar="EXPR", help=QUERY_HELP)]

# --- the learner -------------------------------------------------------------------------------------

BulkCrystal = Annotated[
    str | None, typer.Argument(help="Bulk crystal: library name, structure file, database id.")
]
UnlabelledSlabs = Annotated[
    Path | None,
    typer.Option("--slabs", metavar="FILE", help="Or a JSON list of slabs (key initial), .gz."),
]
UnlabelledTable = Annotated[
    Path | None,
    typer.Option("--table", metavar="FILE", help="Or a table of structures (CSV, JSON, extXYZ)."),
]
Slabs = Annotated[
    list[Path] | None,
    typer.Option(
        "--slabs", metavar="FILE", help="JSON list of slabs with levels (also .gz); repeatable."
    ),
]
Datasets = Annotated[
    list[Path] | None,
    typer.Option(
        "--dataset",
        metavar="FILE",
        help="File that 'learn freeze' wrote, or results, one a line (.jsonl); repeatable.",
    ),
]
Query = Annotated[
    str | None,
    typer.Option("--query", metavar="EXPR", help="Results of the store that match; '' means all."),
]
Tables = Annotated[
    list[Path] | None,
    typer.Option(
        "--table",
        metavar="FILE",
        help="Table of structures with numbers (CSV, JSON, extXYZ); needs --properties; repeatable.",
    ),
]
Properties = Annotated[
    Path | None,
    typer.Option(
        "--properties",
        metavar="FILE",
        help="YAML file that declares what the columns of --table, or fields of results, are.",
    ),
]
FormulaCrystals = Annotated[
    Path | None,
    typer.Option(
        "--crystals",
        metavar="DIR",
        help="Crystals for rows of --table with a formula alone; by default the library.",
    ),
]
LearnedProperties = Annotated[
    list[str] | None,
    typer.Option(
        "--property",
        metavar="NAME",
        help="Learn this property; by default those that the data declare, else IP and EA; repeatable.",
    ),
]
MinGap = Annotated[
    float | None,
    typer.Option("--min-gap", help="Leave slabs of --slabs with a smaller gap out, eV."),
]
Kind = Annotated[
    str,
    typer.Option(
        "--kind",
        help="mixed (the mean of the next two), lsoap (the network), gaussian-process (on physical "
        "inputs), composition (boosted trees) or mean.",
    ),
]
#: What the slabs of learner-accuracy.md say is best: 0.09 eV better than the network, paired.
DEFAULT_KIND = "mixed"
Configuration = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="YAML file with what differs from the kind's defaults."
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="One value, e.g. network.training.epochs=30; repeatable.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of all random numbers.")]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, help="Members trained at the same time; by default one a core."
    ),
]
Directory = Annotated[
    Path | None,
    typer.Option(
        "--registry", metavar="DIR", help="Folder of the models; by default in the data directory."
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Name of the model; by default the one promoted last, else the one that comes with surfalign.",
    ),
]
NewModel = Annotated[str, typer.Option("--model", help="Name of the model.")]

# --- what comes out ----------------------------------------------------------------------------------

#: For commands whose outcome is a list of crystals, surfaces or results.
JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json", metavar="FILE", help="Write the outcome as JSON to FILE; - is the output."
    ),
]
#: For commands that report on something.
Json = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]

_WORDS = {"true": True, "yes": True, "false": False, "no": False}


def parse_options(texts: Iterable[str]) -> dict[str, bool | str]:
    """Read the options of an engine; ``true`` and ``false`` are truth values, all else is text.

    Parameters
    ----------
    texts
        As on the command line, e.g. ``spin_orbit=heavy``.

    Raises
    ------
    ConfigurationError
        When a text is no option, or a name stands twice.
    """
    options: dict[str, bool | str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name.isidentifier() or not value or name in options:
            raise ConfigurationError(
                f"'{text}' is no option of an engine, or stands twice",
                "NAME=VALUE, each name once",
                "write --option spin_orbit=heavy",
            )
        options[name] = _WORDS.get(value.lower(), value)
    return options
