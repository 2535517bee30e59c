"""``surfalign submit``: hand surfaces to the workflow manager of a profile."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from surfalign.errors import ConfigurationError
from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.options import (
    EngineName,
    EngineOptions,
    FileOrientations,
    FitVolume,
    Functional,
    Json,
    Orientations,
    ProfileName,
    QualityName,
    Relax,
    parse_options,
)
from surfalign.launchers.cli.output import print_json

with imported_when_used():
    from surfalign.launchers.campaign import submission, target_plan
    from surfalign.launchers.cli import wanted_crystals
    from surfalign.launchers.cluster import launcher as launchers
    from surfalign.launchers.cluster import profiles
    from surfalign.launchers.database import server
    from surfalign.launchers.doctor import profile as profile_checks
    from surfalign.stores import campaign_register
    from surfalign.workflows.engines import engine as engines

if TYPE_CHECKING:
    from surfalign.launchers.campaign.submission import SubmissionReport
    from surfalign.launchers.cluster.profiles import Profile
    from surfalign.stores.campaign_register import Method

commands = typer.Typer()


@commands.command()
def submit(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="PLAN|TARGET...",
            help="A plan of surfalign plan (.jsonl), or crystals as for surfalign run.",
        ),
    ],
    profile: ProfileName,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Submit at most this number of surfaces.")
    ] = None,
    campaign: Annotated[
        str | None,
        typer.Option("--campaign", help="Label of these surfaces; the plan's name by default."),
    ] = None,
    hkl: Orientations = None,
    hkl_of_file: FileOrientations = None,
    max_index: Annotated[
        int | None,
        typer.Option(min=1, max=3, help="All nonpolar orientations of TARGETs up to this index."),
    ] = None,
    functional: Functional = "ddh",
    quality: QualityName = "standard",
    fit_volume: FitVolume = False,
    relax: Relax = True,
    engine: EngineName = "gpaw",
    option: EngineOptions = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be submitted; submit nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Submit surfaces to the queues of a profile.

    The same surface by the same method is computed once, even if several people submit it. The bulk steps
    of a crystal serve all its surfaces. Another option of the engine is another method. Faults of the
    profile are reported before anything is submitted. The jobs start when surfalign worker runs.

    Example: surfalign submit plan.jsonl --profile cluster --limit 100 --dry-run

    Example: surfalign submit MgO TiO2-rutile --profile cluster --max-index 1 --quality quick

    Example: surfalign submit PbO-litharge --profile cluster --engine vasp --option spin_orbit=heavy
    """
    chosen = profiles.load_profile(profile)
    options = parse_options(option or ())
    # It names what is unknown.
    engines.get_engine(
        engine, quality=quality, functional=functional, equation_of_state=fit_volume, **options
    )
    method = campaign_register.Method(
        engine=engine,
        quality=quality,
        functional=functional,
        fit_volume=fit_volume,
        relax_slabs=relax,
        options=options,
    )
    plan = Path(targets[0])
    is_plan = len(targets) == 1 and plan.suffix == ".jsonl"
    if is_plan and (hkl or hkl_of_file or max_index):
        raise ConfigurationError(
            f"orientations beside the plan {plan}",
            "a plan, which holds its surfaces, or crystals with orientations",
            "leave --hkl, --hkl-of-file and --max-index out, or make another plan",
        )
    profile_checks.require(chosen, engine)
    if is_plan:
        report = _submit(chosen, plan, method, campaign or plan.stem, limit, dry_run)
    else:
        with TemporaryDirectory() as folder:
            plan = Path(folder) / "targets.jsonl"
            target_plan.write_target_plan(
                plan,
                targets,
                lambda crystal: wanted_crystals.wanted_indices(crystal, hkl, hkl_of_file),
                max_index,
                method,
                wanted_crystals.load_with_notes,
            )
            report = _submit(chosen, plan, method, campaign or "targets", limit, dry_run)
    _print(report, profile, dry_run=dry_run, as_json=as_json)


def _submit(
    profile: Profile, plan: Path, method: Method, campaign: str, limit: int | None, dry_run: bool
) -> SubmissionReport:
    with server.open_database(profile.settings()) as database, database.errors_named():
        if dry_run:
            return submission.planned(plan, method, database, limit)

        console = Console(stderr=True)
        with launchers.open_launcher(profile) as launcher, console.status("submitting") as status:
            return submission.submit_plan(
                plan,
                method,
                launcher,
                database,
                campaign=campaign,
                limit=limit,
                on_progress=lambda what, done, total: status.update(
                    f"{done}{f' of {total}' if total else ''} {what}"
                ),
            )


def _print(report: SubmissionReport, profile: str, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json(asdict(report) | {"dry_run": dry_run})
        return
    verb = "would be" if dry_run else "were"
    typer.echo(f"{report.surfaces} surfaces: {report.new} {verb} new, {report.flows} flows")
    if report.waiting:
        typer.echo(
            f"{report.waiting} wait: the bulk steps of their crystal are running or being submitted"
        )
    if report.flows and not dry_run:
        typer.echo(f"Next: surfalign worker --profile {profile}; surfalign status")
