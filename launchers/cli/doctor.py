"""``surfalign doctor``: what is installed, reachable and missing, and what mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from surfalign.launchers.diagnosis import Finding

MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "missing": "[red]✗[/]"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="doctor")(doctor)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look at this installation: what works, what is missing, and the command that mends it.

    Exits with 1 when something that surfalign needs is missing. Optional features are marked so.

    Example: surfalign doctor
    """
    from rich.console import Console

    from surfalign.launchers.diagnosis import checks, examine

    console = Console(soft_wrap=True)
    findings = []
    for name, check in checks():
        if as_json:
            findings.append(examine(name, check))
            continue
        with console.status(f"looking at {name} ..."):
            finding = examine(name, check)
        findings.append(finding)
        console.print(_line(finding))
    blocking = [finding.name for finding in findings if finding.blocks]
    if as_json:
        _print_json(findings)
    elif blocking:
        console.print(f"\n[red]Missing: {', '.join(blocking)}.[/] The lines above say what to do.")
    else:
        console.print("\n[green]Ready.[/] Try: surfalign run MgO --quality quick")
    if blocking:
        raise typer.Exit(1)


def _line(finding: Finding) -> str:
    """Write a finding in rich's markup."""
    from rich.markup import escape

    mark, optional = MARKS[finding.state], ""
    if finding.state == "missing" and not finding.required:
        mark, optional = "[dim]–[/]", " [dim](optional)[/]"
    text = f"{mark} [bold]{finding.name}[/]{optional}: {escape(finding.detail)}"
    if finding.remedy:
        text += f"\n    [dim]to do:[/] {escape(finding.remedy)}"
    return text


def _print_json(findings: list[Finding]) -> None:
    import json
    from dataclasses import asdict

    report = {
        "ready": not any(finding.blocks for finding in findings),
        "checks": [asdict(finding) for finding in findings],
    }
    typer.echo(json.dumps(report, indent=1))
