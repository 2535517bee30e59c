"""How a campaign is shown: tables for people, JSON for scripts."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from surfalign.launchers.campaign.status import SAMPLE_SIZE, campaign_status, surface_rows
from surfalign.launchers.cluster.launcher import JobState
from surfalign.launchers.nightly.runs import last_runs

if TYPE_CHECKING:
    from surfalign.launchers.campaign.status import CampaignStatus
    from surfalign.launchers.cluster.launcher import Launcher
    from surfalign.launchers.cluster.profiles import Profile
    from surfalign.launchers.nightly.runs import NightlyRun
    from surfalign.stores.database import Database

_COLUMNS = tuple(state.value for state in JobState)
_STYLES = {"done": "green", "failed": "red", "running": "cyan"}


def print_status(
    launcher: Launcher,
    database: Database,
    profile: Profile,
    counts: dict[str, dict[JobState, int]],
    as_json: bool,
    console: Console,
) -> None:
    """Print one look at a campaign."""
    found = campaign_status(launcher, database, profile, counts)
    nights = last_runs(database)
    if as_json:
        report = found.model_dump(mode="json") | {
            "nights": [night.model_dump(mode="json") for night in nights]
        }
        sys.stdout.write(json.dumps(report, indent=1) + "\n")
        return
    console.print(_steps_table(found))
    if found.failures:
        console.print(_failures_table(found))
    for line in _stuck_lines(found):
        console.print(line, soft_wrap=True)
    for line in _summary(found):
        console.print(line, soft_wrap=True)
    for night in nights:
        console.print(_nightly_line(night), soft_wrap=True)


def print_surfaces(
    launcher: Launcher,
    database: Database,
    campaign: str | None,
    state: str | None,
    as_json: bool,
    console: Console,
) -> None:
    """Print the surfaces one by one, as they are read."""
    rows = (row for row in surface_rows(launcher, database, campaign) if state in (None, row.state))
    if as_json:
        # A list, written as it comes.
        separator = "["
        for row in rows:
            sys.stdout.write(f"{separator}\n {json.dumps(row.model_dump())}")
            separator = ","
        sys.stdout.write("[]\n" if separator == "[" else "\n]\n")
        return
    table = Table()
    for name in ("Surface", "State", "Step", "Cause", "Message"):
        table.add_column(name, overflow="fold")
    for row in rows:
        style = _STYLES.get(row.state, "")
        shown = f"[{style}]{row.state}[/]" if style else row.state
        table.add_row(escape(row.name), shown, row.step, row.cause, escape(row.message))
    console.print(table)


def _steps_table(status: CampaignStatus) -> Table:
    shown = [
        column for column in _COLUMNS if any(column in states for states in status.steps.values())
    ]
    table = Table(title="Jobs")
    table.add_column("Step")
    for column in shown:
        table.add_column(column, justify="right", style=_STYLES.get(column))
    for step, states in status.steps.items():
        table.add_row(step, *(str(states.get(column, "")) for column in shown))
    return table


def _failures_table(status: CampaignStatus) -> Table:
    table = Table(title="Failures")
    table.add_column("Cause", style="red")
    table.add_column("Step")
    table.add_column("Jobs", justify="right")
    table.add_column("Surfaces", justify="right")
    table.add_column("Example", overflow="fold")
    for group in status.failures:
        example = f"{group.example}: {group.message}" if group.message else group.example
        table.add_row(
            group.cause, group.step, str(group.jobs), str(group.surfaces), escape(example)
        )
    return table


def _stuck_lines(status: CampaignStatus) -> list[str]:
    """What does not get on, though nothing has failed."""
    lines = [
        f"[yellow]{escape(place)}:[/] {escape(trouble)}"
        for place, trouble in status.troubles.items()
    ]
    for group in status.stuck:
        number = "1 job is" if group.jobs == 1 else f"{group.jobs} jobs are"
        lines.append(
            f"[yellow]{number} stuck:[/] {escape(group.reason)} (e.g. {escape(group.example)})"
        )
    return lines


def _summary(status: CampaignStatus) -> list[str]:
    lines = [
        f"[bold]{status.surfaces} surfaces[/]: [green]{status.done} done[/], "
        f"[red]{status.failed} failed[/], [cyan]{status.running} running[/], "
        f"{status.waiting} waiting"
        + (f" ({status.unsubmitted} not submitted yet)" if status.unsubmitted else "")
    ]
    rate = status.surfaces_per_hour
    if rate is not None:
        lines.append(f"{rate:.1f} surfaces finished per hour, over the last {SAMPLE_SIZE} jobs")
    if status.remaining_node_hours is None:
        lines.append("Node hours: no estimate before a job of each kind is done")
    else:
        end = status.finished_at
        lines.append(
            f"Node hours: about {status.spent_node_hours:.1f} spent, "
            f"{status.remaining_node_hours:.1f} to come"
            + (f"; done about {end:%Y-%m-%d %H:%M} UTC" if end else "")
        )
    return lines


def _nightly_line(night: NightlyRun) -> str:
    when = f"{night.started_at:%Y-%m-%d %H:%M} UTC"
    if night.ok:
        return f"[dim]Nightly {night.task}: {when}, {escape(night.summary)}[/]"
    return (
        f"[red]Nightly {night.task} FAILED: {when}, {escape(night.summary)} ({night.log_file})[/]"
    )
