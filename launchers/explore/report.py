"""What a loop tells people: one report for each round, and one of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from surfalign.files import write_whole
from surfalign.launchers.explore.configuration import ExploreConfiguration
from surfalign.launchers.explore.loop_state import Condition, LoopState, Round

_SHORT = {"ionization_potential": "IP", "electron_affinity": "EA"}


def write_report(done: Round, configuration: ExploreConfiguration, folder: Path) -> Path:
    """Write the report of a round as Markdown and JSON; return the Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"round-{done.number:03d}"
    write_whole(folder / f"{stem}.json", done.model_dump_json(indent=1) + "\n", sync=True)
    path = folder / f"{stem}.md"
    write_whole(path, round_report(done, configuration.name), sync=True)
    return path


def round_report(done: Round, name: str) -> str:
    """Return the report of a round as Markdown."""
    model = done.model or "none"
    lines = [
        f"# {name}, round {done.number}",
        "",
        f"Model: {model} ({done.verdict or 'as before'}); {done.n_labels} labels.",
        f"Chosen by {done.acquisition or done.asked}: {len(done.chosen)} of {done.n_open} open surfaces."
        + (f" {done.remark}." if done.remark else ""),
        f"CPU time of the loop so far: {done.spent_cpu_time / 3600:.2f} h.",
    ]
    lines += [""] + [_accuracy_line(name, done) for name in done.accuracy]
    lines += [
        "",
        "| Surface | State | IP predicted | IP computed | EA predicted | EA computed | Remark |",
        "|---|---|--:|--:|--:|--:|---|",
    ]
    expected = {surface.key: surface for surface in done.chosen}
    for outcome in done.outcomes:
        surface = expected[outcome.key]
        cells = [outcome.name, outcome.state]
        for level in _SHORT:
            cells.append(_predicted(surface.predicted.get(level), surface.interval_90.get(level)))
            value = outcome.measured.get(level)
            cells.append("–" if value is None else f"{value:.2f}")
        failure = outcome.failure
        cells.append(f"{failure.cause} ({failure.step}): {failure.message}" if failure else "")
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join([*lines, "", "Levels in eV, with the bounds that hold nine of ten.", ""])


def loop_report(rounds: Sequence[Round], name: str) -> str:
    """Return the report of a whole loop as Markdown."""
    lines = [
        f"# {name}: {len(rounds)} rounds",
        "",
        "| Round | Step | Chosen by | Surfaces | Passed | Flagged | Failed | Labels | IP error | EA error "
        "| inside 90 % | CPU (h) |",
        "|--:|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for done in rounds:
        row = round_row(done)
        errors = [
            "–" if row[key] is None else f"{row[key]:.2f}"
            for key in ("ionization_potential_error", "electron_affinity_error")
        ]
        inside = f"{row['inside_90']} of {row['compared']}" if row["compared"] else "–"
        cells = [
            row["round"], row["step"], row["acquisition"] or "–", row["surfaces"], row["passed"],
            row["flagged"], row["failed"], row["labels"], *errors, inside,
            f"{row['cpu_hours']:.2f}",
        ]  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    compared = sum(round_row(done)["compared"] for done in rounds)
    inside_all = sum(round_row(done)["inside_90"] for done in rounds)
    if compared:
        lines += [
            "",
            f"Of {compared} predictions made before, {inside_all} were inside of their 90 % interval "
            f"({inside_all / compared:.0%}).",
        ]
    return "\n".join([*lines, "", "Errors are means of |prediction - calculation| in eV.", ""])


def round_row(done: Round) -> dict[str, Any]:
    """Return a round as one row of numbers; errors in eV, CPU time in hours."""
    states = [outcome.state for outcome in done.outcomes]
    errors = {
        f"{level}_error": (
            done.accuracy[level].mean_absolute_error if level in done.accuracy else None
        )
        for level in _SHORT
    }
    return {
        "round": done.number,
        "step": done.step.value,
        "acquisition": done.acquisition,
        "remark": done.remark,
        "model": done.model,
        "labels": done.n_labels,
        "surfaces": len(done.chosen),
        "passed": states.count("passed"),
        "flagged": states.count("flagged"),
        "failed": states.count("failed"),
        "compared": sum(accuracy.with_interval for accuracy in done.accuracy.values()),
        "inside_90": sum(accuracy.inside_90 for accuracy in done.accuracy.values()),
        **errors,
        "cpu_hours": done.spent_cpu_time / 3600.0,
    }


def reason_of(state: LoopState, *, running: bool) -> str:
    """Return why a loop is as it is, for a person; empty while a process runs it."""
    if state.condition is Condition.RUNNING and not running:
        return "not finished, and no process runs it; go on: surfalign explore start CONFIG"
    return state.reason


def status_record(
    state: LoopState | None, rounds: Sequence[Round], running: bool
) -> dict[str, Any]:
    """Return where a loop stands, as plain values."""
    if state is None:
        return {"condition": "never started", "running": False, "rounds": 0, "surfaces": 0}
    current = state.current
    return {
        "name": state.name,
        "condition": state.condition.value,
        "running": running,
        "reason": reason_of(state, running=running),
        "rounds": sum(done.step.value == "done" for done in rounds),
        "round": current.number if current else None,
        "step": current.step.value if current else None,
        "surfaces": sum(len(done.chosen) for done in rounds),
        "failed": sum(done.n_failed for done in rounds),
        "model": rounds[-1].model if rounds else "",
        "cpu_hours": max((done.spent_cpu_time for done in rounds), default=0.0) / 3600.0,
        "updated_at": state.updated_at.isoformat(timespec="seconds"),
    }


def _accuracy_line(level: str, done: Round) -> str:
    accuracy = done.accuracy[level]
    return (
        f"- {_SHORT[level]}: {accuracy.n} predictions made before, mean absolute error "
        f"{accuracy.mean_absolute_error:.3f} eV, mean error {accuracy.mean_error:+.3f} eV, "
        f"{accuracy.inside_90} of {accuracy.with_interval} inside of their 90 % interval."
    )


def _predicted(value: float | None, bounds: tuple[float, float] | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" + (f" ({bounds[0]:.2f} to {bounds[1]:.2f})" if bounds else "")
