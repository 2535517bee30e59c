"""``surfalign junction``: band offsets of two surfaces, of all pairs, and the best partners of one."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from surfalign.errors import ConfigurationError
from surfalign.files import whole_file
from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.options import Flagged, JsonFile, Mixed, Where
from surfalign.launchers.cli.output import is_stdout, make_folders, output_console, write_json
from surfalign.settings import load_settings

with imported_when_used():
    from surfalign.launchers.cli.tables import junctions as tables
    from surfalign.launchers.database import server
    from surfalign.launchers.figures import junctions as figures
    from surfalign.launchers.figures import style
    from surfalign.physics.contacts import anderson, schemes
    from surfalign.physics.levels import redox
    from surfalign.stores.contacts import junction_records, refusals, surfaces
    from surfalign.stores.query import language
    from surfalign.stores.screening import question

if TYPE_CHECKING:
    from surfalign.physics.contacts.schemes import Demands, Scheme
    from surfalign.stores.contacts.surfaces import ContactSurfaces

commands = typer.Typer()

_TYPES = ("I", "II", "III")
#: Junctions that are listed where nothing else is asked for.
_LIMIT = 20
_USAGE = "surfalign junction A B, or --matrix QUERY, or --partners A"


@commands.command()
def junction(
    sides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="A B", help="Identifiers (a unique beginning is enough) or names of surfaces."
        ),
    ] = None,
    matrix: Annotated[
        str | None,
        typer.Option(help="All pairs of the results that match a query; '' means all results."),
    ] = None,
    partners: Annotated[
        str | None,
        typer.Option(
            metavar="A", help="The best partners of this surface (--where chooses from which)."
        ),
    ] = None,
    where: Where = None,
    wanted: Annotated[
        str | None,
        typer.Option("--type", help="Type of junction to look for: I, II (the default) or III."),
    ] = None,
    scheme: Annotated[
        str | None,
        typer.Option(
            help="Look for pairs that reduce and oxidise, by default split water: type-ii or z-scheme."
        ),
    ] = None,
    reduction: Annotated[
        str | None,
        typer.Option(
            metavar="COUPLE", help="With --scheme: what the electrons reduce; H+/H2 by default."
        ),
    ] = None,
    oxidation: Annotated[
        str | None,
        typer.Option(
            metavar="COUPLE", help="With --scheme: what the holes oxidise; O2/H2O by default."
        ),
    ] = None,
    ph: Annotated[
        float | None,
        typer.Option("--ph", help="With --scheme: pH of the couples; 0 by default."),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            help="With --scheme: how far the edges lie beyond the couples, eV; 0 by default."
        ),
    ] = None,
    rule_error: Annotated[
        float | None,
        typer.Option(help="Mean absolute error of Anderson's rule, eV; 0.45 by default."),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Add surfaces that 'learn predict --json' wrote."),
    ] = None,
    flagged: Flagged = False,
    mixed: Mixed = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Junctions to list at most; 20 by default.")
    ] = None,
    json_file: JsonFile = None,
    figure: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Draw the band edges, or the matrix.")
    ] = None,
) -> None:
    """Align the bands of two surfaces by Anderson's rule, with the probability of each type.

    Offsets are those of the second surface against the first one. Stored results that failed are refused,
    flagged ones need --flagged.

    Example: surfalign junction "TiO2(110)-A" "ZnO(100)-A"

    Example: surfalign junction --partners mgo-100 --type I --where 'functional = ddh'

    Example: surfalign junction --matrix 'functional = ddh' --scheme z-scheme --ph 7
    """
    error = anderson.RULE_ERROR if rule_error is None else rule_error
    anderson.dipole_deviation(error)  # refuses what is no error
    _require_one_way(sides or [], matrix, partners)
    given = {
        "--scheme": scheme, "--type": wanted, "--limit": limit,
        "--reduction": reduction, "--oxidation": oxidation, "--ph": ph, "--margin": margin,
    }  # fmt: skip
    _refuse_what_means_nothing({o for o, value in given.items() if value is not None}, bool(sides))
    chosen = _scheme(
        scheme, (reduction or "H+/H2", oxidation or "O2/H2O"), ph or 0.0, margin or 0.0
    )
    kind = _kind(wanted or "II")
    limit = limit or _LIMIT
    if where is not None and partners is None:
        raise ConfigurationError(
            "--where without --partners", "a query as --matrix QUERY", "write it behind --matrix"
        )
    query = (where if matrix is None else matrix) or ""
    language.to_filter(query)
    make_folders(json_file, figure)
    predicted = surfaces.read_predictions(predictions) if predictions else surfaces.no_surfaces()
    with server.open_database(announce=lambda line: typer.echo(line, err=True)) as database:
        if sides:
            one, other = (
                surfaces.find_surface(database, side, predicted, flagged=flagged) for side in sides
            )
            listed = one.joined(other)
            rows = [junction_records.junction_record(one, other, error)]
        else:
            listed = surfaces.stored_surfaces(database, query, predicted, flagged=flagged)
            if partners is not None:
                own = surfaces.find_surface(database, partners, predicted, flagged=flagged)
                listed = own.joined(listed)
            rows = []
    refusals.check_methods(listed, mixed=mixed)
    if not sides:
        rows = _search(listed, partners is not None, kind, chosen, error, limit)
    if matrix is not None and scheme is None:
        _matrix(listed, kind, error, limit, json_file, figure)
        return
    write_json(rows, json_file)
    if not is_stdout(json_file):
        _show(rows, _caption(listed, error, chosen, ph or 0.0))
    if figure is not None and rows:
        most = figures.PARTNERS if chosen is None else 1
        shown, drawn = figures.best_partners(listed, rows, most)
        path = figures.save_band_edges(shown, drawn, figure / _file_name(shown))
        typer.echo(f"Wrote {path}", err=True)


def _require_one_way(sides: Sequence[str], matrix: str | None, partners: str | None) -> None:
    """Refuse what is neither two surfaces, nor a matrix, nor partners, or more than one of these."""
    named = [f"{len(sides)} surfaces"] if sides else []
    named += ["--matrix"] if matrix is not None else []
    named += ["--partners"] if partners is not None else []
    if len(named) != 1 or len(sides) not in (0, 2):
        raise ConfigurationError(
            " and ".join(named) or "no surfaces",
            "two surfaces, or one of --matrix and --partners",
            _USAGE,
        )


def _refuse_what_means_nothing(given: Set[str], two: bool) -> None:
    """Refuse options that two surfaces, a search for pairs, or one for a scheme do not take."""
    scheme = "--scheme" in given
    taken = {
        "--scheme": not two,
        "--type": not two and not scheme,
        "--limit": not two,
        **dict.fromkeys(("--reduction", "--oxidation", "--ph", "--margin"), scheme and not two),
    }
    what = (
        "two surfaces" if two else "a search for a scheme" if scheme else "pairs without --scheme"
    )
    question.refuse_what_means_nothing(
        {option: (option in given, known) for option, known in taken.items()}, what
    )


def _search(
    listed: ContactSurfaces,
    of_one: bool,
    kind: int,
    chosen: tuple[Scheme, Demands] | None,
    error: float,
    limit: int,
) -> list[dict[str, Any]]:
    """Return the best pairs of a list, or the best partners of its first surface."""
    refusals.require_partners(listed)
    if chosen is not None:
        return junction_records.scheme_records(listed, *chosen, error, limit, 0 if of_one else None)
    if of_one:
        wanted = anderson.JunctionType(kind)
        return junction_records.partner_records(listed, 0, error, wanted, limit)
    return []


def _matrix(
    listed: ContactSurfaces,
    kind: int,
    error: float,
    limit: int,
    json_file: Path | None,
    figure: Path | None,
) -> None:
    """Work out all pairs; write them, draw them, and list those most probably of a type."""
    made = junction_records.matrix(listed, error)
    if is_stdout(json_file):
        junction_records.write_matrix(listed, made, error, typer.get_text_stream("stdout"))
    else:
        if json_file is not None:
            with whole_file(json_file) as file:
                junction_records.write_matrix(listed, made, error, file)
            typer.echo(f"Wrote {json_file}", err=True)
        wanted = anderson.JunctionType(kind)
        rows = junction_records.likeliest_pairs(listed, made, wanted, limit)
        _show(rows, _caption(listed, error, None, 0.0))
        counts = [int((made.types == k).sum()) // 2 for k in (1, 2, 3)]
        typer.echo(
            f"{sum(counts)} pairs of {len(listed)} surfaces: "
            + ", ".join(f"{n} of type {t}" for n, t in zip(counts, _TYPES, strict=True))
        )
    if figure is not None:
        path = figures.save_matrix(listed, made, figure / "junctions.png")
        typer.echo(f"Wrote {path}", err=True)


def _scheme(
    name: str | None, couples: tuple[str, str], ph: float, margin: float
) -> tuple[Scheme, Demands] | None:
    """Return what pairs have to do; None where nothing is asked."""
    electrode = load_settings().hydrogen_electrode
    reduction, oxidation = (redox.redox_couple(couple).level(ph, electrode) for couple in couples)
    if not 0 <= margin < math.inf:
        raise ConfigurationError(
            f"a margin of {margin:g} eV", "a finite number that is not negative", "set --margin 0.2"
        )
    if name is None:
        return None
    known = [scheme.value for scheme in schemes.Scheme]
    if name.lower() not in known:
        raise ConfigurationError(f"scheme {name!r}", f"one of {', '.join(known)}", "set --scheme")
    return schemes.Scheme(name.lower()), schemes.Demands(reduction + margin, oxidation - margin)


def _show(rows: Sequence[dict[str, Any]], caption: str) -> None:
    """Print the table of junctions; in words where there is none."""
    if rows:
        output_console().print(tables.junction_table(rows, caption))
    else:
        typer.echo(f"No pair has a probability above 0. Looked for with {caption}")


def _kind(name: str) -> int:
    if name.upper() not in _TYPES:
        raise ConfigurationError(f"type {name!r}", f"one of {', '.join(_TYPES)}", "set --type")
    return _TYPES.index(name.upper()) + 1


def _caption(
    listed: ContactSurfaces, error: float, chosen: tuple[Scheme, Demands] | None, ph: float
) -> str:
    methods = listed.methods
    several = f"{len(methods)} METHODS, whose levels do not compare: " if len(methods) > 1 else ""
    goal = (
        f"; {chosen[0].value} at pH {ph:g}: reduces above {chosen[1].reduction:.2f}, "
        f"oxidises below {chosen[1].oxidation:.2f} eV"
        if chosen
        else ""
    )
    return f"{several}{', '.join(methods)}; Anderson's rule, mean absolute error {error:g} eV{goal}"


def _file_name(shown: ContactSurfaces) -> str:
    names = [surface.name for surface in shown.surfaces]
    parts = names if len(names) == 2 else [names[0], "partners"]
    return "-".join(style.file_stem(part) for part in parts) + ".png"
