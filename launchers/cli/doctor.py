"""``surfalign doctor``: what is installed, reachable and missing, and what repairs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from surfalign.launchers.cli.options import Json
from surfalign.launchers.cli.output import print_json
from surfalign.launchers.cluster.profiles import load_profile
from surfalign.launchers.doctor import installation
from surfalign.launchers.doctor.installation import Finding, examine
from surfalign.launchers.doctor.profile import all_checks

commands = typer.Typer()


MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "missing": "[red]✗[/]"}


@commands.command()
def doctor(
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="PROFILE",
            help="Check this profile, with a short job in each queue.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check this installation: what works, what is missing, and the command that repairs it.

    Exits with 1 when something that surfalign needs is missing. Optional features are marked.

    With --profile it checks the profile instead: the database, the engine, and a short job in every queue.

    Example: surfalign doctor --profile cluster
    """
    console = Console(soft_wrap=True)
    findings = []
    for name, check in _profile_checks(profile) if profile is not None else installation.checks():
        if as_json:
            findings.append(examine(name, check))
            continue
        with console.status(f"checking {name} ..."):
            finding = examine(name, check)
        findings.append(finding)
        console.print(_line(finding))
    blocking = [finding.name for finding in findings if finding.blocks]
    if as_json:
        _print_json(findings)
    elif blocking:
        console.print(f"\n[red]Missing: {', '.join(blocking)}.[/] The lines above say what to do.")
    else:
        what = f"submit MgO --profile {profile}" if profile else "run MgO"
        console.print(f"\n[green]Ready.[/] Try: surfalign {what} --quality quick")
    if blocking:
        raise typer.Exit(1)


def _profile_checks(name: str) -> Iterator[tuple[str, Callable[[], Finding]]]:
    return all_checks(load_profile(name))


def _line(finding: Finding) -> str:
    """Write a finding in rich's markup."""
    mark, optional = MARKS[finding.state], ""
    if finding.state == "missing" and not finding.required:
        mark, optional = "[dim]–[/]", " [dim](optional)[/]"
    text = f"{mark} [bold]{finding.name}[/]{optional}: {escape(finding.detail)}"
    if finding.remedy:
        text += f"\n    [dim]to do:[/] {escape(finding.remedy)}"
    return text


def _print_json(findings: list[Finding]) -> None:
    report = {
        "ready": not any(finding.blocks for finding in findings),
        "checks": [asdict(finding) for finding in findings],
    }
    print_json(report)
