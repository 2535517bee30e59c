"""``surfalign worker``: the loop that hands jobs to SLURM."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from typing import Annotated

import typer

from surfalign.launchers.campaign.submission import Releaser
from surfalign.launchers.cli.options import ProfileName
from surfalign.launchers.cluster.launcher import open_launcher, run_worker
from surfalign.launchers.cluster.profiles import load_profile

commands = typer.Typer()


@commands.command()
def worker(
    profile: ProfileName,
    cluster: Annotated[
        str | None, typer.Option("--cluster", help="Cluster whose queues this machine serves.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End when nothing is left to do.")] = False,
) -> None:
    """Hand the jobs of a campaign to SLURM, find lost jobs and start them again.

    It runs until it is interrupted. Start it on a login node, in screen or as a service. If it is killed,
    nothing is lost: start it again.

    Example: surfalign worker --profile cluster
    """
    handler = logging.StreamHandler()
    # The libraries' loggers say more than anybody reads.
    handler.setLevel(logging.WARNING)
    logging.basicConfig(handlers=[handler], format="%(asctime)s %(levelname)s %(message)s")
    # FireWorks and jobflow-remote call functions of monty that are to go in 2028.
    warnings.filterwarnings("ignore", message=".* is deprecated, and will be removed")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    chosen = load_profile(profile)
    with open_launcher(chosen, cluster) as launcher:
        typer.echo(f"Serving the queues of profile {chosen.name} ({chosen.launcher})", err=True)
        run_worker(chosen, launcher, Releaser(chosen, launcher), once=once, stop=stop)
