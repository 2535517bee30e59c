"""``surfalign serve``: results, predictions and campaigns as web pages."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from surfalign.launchers.cli.lazy import imported_when_used

with imported_when_used():
    from surfalign import settings
    from surfalign.launchers.cli import campaign
    from surfalign.launchers.cluster import profiles
    from surfalign.launchers.database import server
    from surfalign.launchers.web import application, safety, serving
    from surfalign.stores.query import summaries
    from surfalign.stores.sharing import access_tokens

commands = typer.Typer()


@commands.command()
def serve(
    host: Annotated[
        str,
        typer.Option(
            "--host", help="Address to listen on; others than 127.0.0.1 ask for access tokens."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes any free one.")
    ] = 8370,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile", metavar="PROFILE", help="Show database and campaign of this profile."
        ),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Show what is public to who brings no token.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host", metavar="NAME", help="A name that browsers may use; repeatable."
        ),
    ] = None,
) -> None:
    """Show results, predictions and campaigns as web pages on this machine.

    Without options only programs of this machine reach the pages, and see all. Beside them is a REST interface at
    /api/v1. Ctrl+C ends it.

    Example: surfalign serve --port 8400 --profile cluster

    Example: surfalign serve --host 0.0.0.0 --allow-host levels.example.org --public
    """
    chosen = profiles.load_profile(profile) if profile else None
    in_force = chosen.settings() if chosen else settings.load_settings()
    entrance = serving.entrance_of(host, in_force, public=public, hosts=allow_host or ())

    def has_tokens() -> bool:
        with server.open_database(in_force) as database:
            return access_tokens.AccessRegister(database).has_valid()

    serving.refuse_unless_asked(host, entrance, has_tokens)
    with serving.bound_socket(host, port) as opened:
        has_campaign = chosen is not None and chosen.launcher != "local"
        with server.open_database(in_force, announce=partial(typer.echo, err=True)) as database:
            # Of a store that knows none yet they are written now, and not while a page waits.
            summaries.summaries(database)
        app = application.create_app(
            partial(server.open_database, in_force),
            partial(campaign.opened_campaign, profile) if has_campaign else None,
            entrance=entrance,
        )
        if host not in safety.LOCAL_HOSTS and not entrance.proxies:
            typer.echo(
                "Tokens travel unencrypted: put a proxy with HTTPS before it (docs/how-to/share.md).",
                err=True,
            )
        serving.serve(app, opened, lambda address: typer.echo(f"Serving at {address}"))
