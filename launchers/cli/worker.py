"""``surfalign worker``: the loop that hands jobs to SLURM."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from typing import Annotated

import typer

from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.options import ProfileName

with imported_when_used():
    from surfalign.launchers.campaign import submission
    from surfalign.launchers.cluster import launcher as launchers
    from surfalign.launchers.cluster import profiles

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
    chosen = profiles.load_profile(profile)
    with launchers.open_launcher(chosen, cluster) as launcher:
        typer.echo(f"Serving the queues of profile {chosen.name} ({chosen.launcher})", err=True)
        releaser = submission.Releaser(chosen, launcher)
        launchers.run_worker(chosen, launcher, releaser, once=once, stop=stop)
