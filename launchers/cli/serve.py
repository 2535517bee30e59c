"""``surfalign serve``: results, predictions and campaigns as web pages on this machine."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from surfalign.launchers.cli.lazy import imported_when_used

with imported_when_used():
    from surfalign.launchers.cli import campaign
    from surfalign.launchers.cluster import profiles
    from surfalign.launchers.database import server
    from surfalign.launchers.web import application, serving
    from surfalign.stores.query import summaries

commands = typer.Typer()


@commands.command()
def serve(
    host: Annotated[
        str, typer.Option("--host", help="Address of this machine alone: 127.0.0.1 or localhost.")
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
) -> None:
    """Show results, predictions and campaigns as web pages on this machine.

    Only programs of this machine reach the pages. Beside them is a REST interface at /api/v1. Ctrl+C ends it.

    Example: surfalign serve --port 8400 --profile cluster
    """
    with serving.bound_socket(host, port) as opened:
        chosen = profiles.load_profile(profile) if profile else None
        settings = chosen.settings() if chosen else None
        has_campaign = chosen is not None and chosen.launcher != "local"
        with server.open_database(settings, announce=partial(typer.echo, err=True)) as database:
            # Of a store that knows none yet they are written now, and not while a page waits.
            summaries.summaries(database)
        app = application.create_app(
            partial(server.open_database, settings),
            partial(campaign.opened_campaign, profile) if has_campaign else None,
        )
        serving.serve(app, opened, lambda address: typer.echo(f"Serving at {address}"))
