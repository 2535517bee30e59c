"""``surfalign access``: who reaches ``serve`` from elsewhere, as whom, and until when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.options import Json
from surfalign.launchers.cli.output import output_console, print_json

with imported_when_used():
    from surfalign.launchers.database import server
    from surfalign.stores.sharing import access_tokens

commands = typer.Typer(
    name="access",
    help="Access tokens for those who reach serve from elsewhere.",
    no_args_is_help=True,
)

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Whose token: the owner's name in surfalign share.")
]


@commands.command()
def add(
    name: Name,
    role: Annotated[
        str,
        typer.Option(
            "--role",
            help="reader (sees what is shared), contributor (adds results, too) or admin (sees all).",
        ),
    ] = "reader",
    group: Annotated[
        list[str] | None,
        typer.Option("--group", metavar="G", help="A group of the person; repeatable."),
    ] = None,
    expires: Annotated[
        float, typer.Option("--expires", metavar="DAYS", help="How long the token is valid, days.")
    ] = 90,
    as_json: Json = False,
) -> None:
    """Make an access token and show it, once.

    Only its hash is stored: who loses a token gets a new one.

    Example: surfalign access add anna --role contributor --group oxides --expires 180
    """
    with server.open_database() as database:
        text, token = access_tokens.AccessRegister(database).add(name, role, group or (), expires)
    if as_json:
        print_json({"token": text} | _record(token))
        return
    typer.echo(text)
    typer.echo(
        f"The token of {token.name}, valid until {token.expires_at:%Y-%m-%d}. It is not shown again.",
        err=True,
    )


@commands.command("list")
def list_tokens(as_json: Json = False) -> None:
    """List the access tokens, with role, groups, end and last use; never the tokens themselves.

    Example: surfalign access list
    """
    with server.open_database() as database:
        records = [_record(token) for token in access_tokens.AccessRegister(database).all()]
    if as_json:
        print_json(records)
        return
    if not records:
        typer.echo("Nobody has access. surfalign access add NAME makes a token.", err=True)
        return
    from rich.table import Table

    table = Table("Name", "Role", "Groups", "State", "Expires", "Last use")
    for record in records:
        used = record["last_used_at"] or "never"
        table.add_row(
            record["name"], record["role"], ", ".join(record["groups"]), record["state"],
            record["expires_at"][:10], used[:16].replace("T", " "),
        )  # fmt: skip
    output_console().print(table)


@commands.command()
def revoke(name: Name) -> None:
    """Make the access token of a person invalid at once, and end its sessions.

    Example: surfalign access revoke anna
    """
    with server.open_database() as database:
        number = access_tokens.AccessRegister(database).revoke(name)
    typer.echo(
        f"Revoked the token of {name}." if number else f"{name} had no valid token any more."
    )


def _record(token: access_tokens.AccessToken) -> dict[str, Any]:
    record: dict[str, Any] = token.model_dump(mode="json")
    return record | {"state": token.state(datetime.now(UTC)).value}
