"""``surfalign share``: who may see results and data sets, from when on, and under which licence."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from surfalign.errors import ConfigurationError
from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.options import Expression, Json
from surfalign.launchers.cli.output import output_console, print_json

with imported_when_used():
    from surfalign.launchers.database import server
    from surfalign.ml.data import datasets
    from surfalign.stores.database import ACCESS_TOKENS
    from surfalign.stores.query import language, results
    from surfalign.stores.sharing import register

if TYPE_CHECKING:
    from surfalign.stores.database import Database
    from surfalign.stores.sharing.record import Sharing

commands = typer.Typer()

#: More records than these are changed only when the user says so.
MANY = 10
#: Word that takes an embargo away.
NONE = "none"


@commands.command()
def share(
    expression: Expression = None,
    visibility: Annotated[
        str | None,
        typer.Option("--visibility", help="private (the owner), group, or public (everybody)."),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option("--licence", "--license", help="SPDX identifier, e.g. CC-BY-4.0."),
    ] = None,
    owner: Annotated[
        str | None, typer.Option("--owner", metavar="NAME", help="Who always sees them.")
    ] = None,
    group: Annotated[
        str | None,
        typer.Option("--group", metavar="G", help="The group that sees them unless private."),
    ] = None,
    embargo_until: Annotated[
        str | None,
        typer.Option(
            "--embargo-until",
            metavar="DATE",
            help="Public from then on, e.g. 2027-04-01 (UTC); until then for owner and group. none: at once.",
        ),
    ] = None,
    citation: Annotated[str | None, typer.Option("--citation", help="What to cite.")] = None,
    doi: Annotated[str | None, typer.Option("--doi", help="DOI of what to cite.")] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(
            "--dataset", metavar="FILE", help="A data set of learn freeze in the place of results."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be, and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before many are changed.")] = False,
    as_json: Json = False,
) -> None:
    """Say who may see results, from when on, and under which licence.

    Without options it shows what was said. What is not named stays as it was; an empty text takes a value away.

    Example: surfalign share 'formula = TiO2 and state = passed' --visibility public --licence CC-BY-4.0

    Example: surfalign share --owner anna --group oxides --visibility public --embargo-until 2027-04-01 --dry-run
    """  # fmt: skip
    said = {
        "visibility": visibility, "licence": licence, "owner": owner, "group": group,
        "embargo_until": embargo_until, "citation": citation, "doi": doi,
    }  # fmt: skip
    changes: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    if embargo_until == NONE:
        changes["embargo_until"] = None
    kind, digest = _kind(expression, dataset)
    with server.open_database() as database, database.errors_named():
        chosen = [digest] if digest else _identifiers(database, expression)
        records = register.SharingRegister(database)
        planned = records.planned(chosen, changes, kind) if changes else {}
        what = (
            f"{len(planned)} {'data set' if digest else 'result'}{'' if len(planned) == 1 else 's'}"
        )
        if planned and not dry_run:
            if len(planned) > MANY and not yes:
                typer.confirm(f"Change who may see {what}?", abort=True)
            records.put(planned, kind)
        after: dict[str, Sharing] = records.get(chosen, kind) | planned
        notes = _notes(database, after.values() if changes else ())
    if as_json:
        print_json(
            {
                "matched": len(chosen), "changed": len(planned), "dry_run": dry_run,
                "sharing": _summary(chosen, after), "notes": notes,
            }
        )  # fmt: skip
        return
    _print_table(_summary(chosen, after))
    for note in notes:
        typer.echo(f"Note: {note}", err=True)
    if changes:
        typer.echo(f"{'Would change' if dry_run else 'Changed'} {what} of {len(chosen)}.", err=True)


def _kind(expression: str | None, dataset: Path | None) -> tuple[register.Kind, str]:
    """Return what is meant, results or a data set, and the digest of the latter."""
    language.to_filter(expression or "")
    if dataset is None:
        return register.Kind.RESULT, ""
    if expression is not None:
        raise ConfigurationError(
            "a query and --dataset are both given", "one of them", "call surfalign share twice"
        )
    return register.Kind.DATASET, datasets.read_dataset(dataset).digest


def _identifiers(database: Database, expression: str | None) -> list[str]:
    found = results.find_fields(database, expression, ("identifier",))
    return sorted(record["identifier"] for record in found)


def _summary(chosen: list[str], records: dict[str, Sharing]) -> list[dict[str, Any]]:
    """Return the different records, with how many have each, most first."""
    numbers = Counter(records.get(identifier) for identifier in chosen)
    return [
        {"number": number} | ({} if record is None else record.model_dump(mode="json"))
        for record, number in numbers.most_common()
    ]


def _notes(database: Database, records: Any) -> list[str]:
    """Return what is likely to be a mistake."""
    known = list(database.collection(ACCESS_TOKENS).find({}, {"name": 1, "groups": 1}))
    groups = {group for token in known for group in token["groups"]}
    notes = {
        f"no access token is of the group {record.group}"
        for record in records
        if record.group and record.group not in groups
    } | {
        f"no access token is of the owner {record.owner}"
        for record in records
        if record.owner and record.owner not in {token["name"] for token in known}
    }
    if any(record.visibility == "public" and not record.licence for record in records):
        notes.add("without a licence nobody may reuse what is public: --licence CC-BY-4.0")
    return sorted(notes)


def _print_table(summary: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table("Visibility", "Owner", "Group", "Embargo until", "Licence", "DOI", "Number")
    for record in summary:
        embargo = (record.get("embargo_until") or "")[:16].replace("T", " ")
        table.add_row(
            record.get("visibility", "private (nothing said)"), record.get("owner"),
            record.get("group"), embargo, record.get("licence"), record.get("doi"),
            str(record["number"]),
        )  # fmt: skip
    output_console().print(table)
