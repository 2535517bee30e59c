"""Tables of results for people."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from surfalign.stores.documents import ResultState, SurfaceLevelsDocument

NUMBERS = ("IP\n(eV)", "EA\n(eV)", "Gap\n(eV)", "Surface\nenergy\n(J/m²)", "ε∞", "α")


def results_table(
    documents: Iterable[SurfaceLevelsDocument], title: str | None = None, identifiers: bool = False
) -> Table:
    """Return a table with one row a surface: levels, what they rest on, and the checks.

    Parameters
    ----------
    documents
        Results; passed, flagged and failed ones.
    title
        Heading.
    identifiers
        Whether a last column names the identifiers.
    """
    rows = list(documents)
    methods = {_method(document) for document in rows}
    table = Table(title=title, caption=methods.pop() if len(methods) == 1 else None)
    table.add_column("Surface", no_wrap=True)
    table.add_column("Termi-\nnation")
    for name in NUMBERS:
        table.add_column(name, justify="right")
    table.add_column("Checks", overflow="fold")
    optional = {"Method": _method} if methods else {}
    for name in optional:
        table.add_column(name)
    if identifiers:
        table.add_column("Identifier", no_wrap=True)
    for document in rows:
        cells = [_surface(document), document.termination or "–", *_numbers(document)]
        cells.append(checks_cell(document))
        cells.extend(column(document) for column in optional.values())
        if identifiers:
            cells.append(escape(document.identifier))
        table.add_row(*cells, style="dim" if document.state is ResultState.FAILED else None)
    return table


def checks_cell(document: SurfaceLevelsDocument) -> str:
    """Return the verdict in rich's markup: "12/12", the failed checks, or the error."""
    if document.state is ResultState.FAILED:
        error = document.error
        reason = f"{error.error} in {error.step}: {error.message}" if error else "failed"
        return f"[red]{escape(reason)}[/]"
    if document.registration is not None:
        return f"[cyan]{document.origin}: {escape(document.registration.technique)}[/]"
    n_passed = sum(check.passed for check in document.checks)
    counted = f"{n_passed}/{len(document.checks)}"
    if document.failed_checks:
        return f"[yellow]{counted} {escape(', '.join(document.failed_checks))}[/]"
    return f"[green]{counted}[/]"


def _surface(document: SurfaceLevelsDocument) -> str:
    return escape(document.surface_name or document.formula)


def _method(document: SurfaceLevelsDocument) -> str:
    ions = "relaxed" if document.relaxed else "unrelaxed"
    return f"{document.functional}, {document.quality}, {ions}"


def _numbers(document: SurfaceLevelsDocument) -> list[str]:
    return [
        _fixed(document.ionization_potential, 2),
        _fixed(document.electron_affinity, 2),
        _fixed(document.band_gap, 2),
        _fixed(document.surface_energy, 2),
        _fixed(document.dielectric_constant, 2),
        _fixed(document.exchange_fraction, 3),
    ]


def _fixed(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"


def details(document: SurfaceLevelsDocument) -> RenderableType:
    """Return everything about one result that fits a screen."""
    parts: list[RenderableType] = [results_table([document]), _facts(document)]
    if document.checks:
        parts.append(_checks_table(document))
    if document.timings:
        parts.append(_timings_table(document))
    parts.extend(f"[yellow]{escape(warning)}[/]" for warning in document.warnings)
    parts.extend(f"[dim]crystal: {escape(note)}[/]" for note in document.crystal_notes)
    return Group(*parts)


def _facts(document: SurfaceLevelsDocument) -> Table:
    facts = {
        "Identifier": document.identifier,
        "Crystal": f"{document.formula}, {document.space_group_symbol}",
        **_registered(document),
        "Source": document.source,
        "Outermost planes": document.termination_label,
        "Slab": _slab(document),
        "Excess oxygen": f"{document.excess_oxygen:+d} atoms" if document.excess_oxygen else "",
        "Surface energy, oxygen-rich": _with_unit(document.surface_energy_oxygen_rich, "J/m²"),
        "Share of the shape's area": _share(document.area_fraction),
        "IP by site potentials": _with_unit(document.ionization_potential_site_potentials, "eV"),
        "Error of convergence": _convergence(document),
        "Vacuum level - slab average": _with_unit(document.potential_step, "eV"),
        "Engine": f"{document.engine} {document.engine_version}".strip(),
        "Settings": document.settings_hash[:12],
        "Stored": f"{document.created_at:%Y-%m-%d %H:%M} UTC",
    }
    table = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        if value:
            table.add_row(f"[bold]{name}[/]", escape(value))
    return table


def _registered(document: SurfaceLevelsDocument) -> dict[str, str]:
    """Return what is known of registered levels."""
    known = document.registration
    if known is None:
        return {}
    uncertain = {level: f"± {value:g} eV" for level, value in known.uncertainties.items()}
    return {
        "Origin": f"{document.origin}, template {known.template}",
        "Phase": known.phase,
        "Sample": known.sample,
        "Preparation": known.preparation,
        "Face, grade": " ".join(part for part in (known.face, known.grade) if part),
        **{name.replace("_", " ").capitalize(): value for name, value in uncertain.items()},
        "Reference": f"{known.reference} {known.doi}".strip(),
        "Note": known.note,
        **{name: str(value) for name, value in known.details.items()},
    }


def _convergence(document: SurfaceLevelsDocument) -> str:
    if document.convergence_error is None:
        return ""
    parts = ", ".join(f"{name} {value:.3f}" for name, value in document.convergence_parts.items())
    return f"{document.convergence_error:.3f} eV ({parts.replace('_', ' ')})"


def _slab(document: SurfaceLevelsDocument) -> str:
    if document.n_atoms is None:
        return ""
    return (
        f"{document.n_atoms} atoms, {_with_unit(document.slab_thickness, 'Å')} thick, "
        f"{_with_unit(document.vacuum_thickness, 'Å')} of vacuum"
    )


def _with_unit(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:.3f} {unit}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


def _checks_table(document: SurfaceLevelsDocument) -> Table:
    table = Table(title="Checks")
    for name in ("Check", "Value", "Tolerance", "Unit", "Verdict", "What it compares"):
        table.add_column(name, overflow="fold")
    for check in document.checks:
        verdict = "[green]passed[/]" if check.passed else "[yellow]failed[/]"
        numbers = (f"{check.value:.3g}", f"{check.tolerance:.3g}")
        table.add_row(check.name, *numbers, check.unit, verdict, escape(check.reason))
    return table


def _timings_table(document: SurfaceLevelsDocument) -> Table:
    table = Table(title="Cost")
    for name in ("Step", "Wall time (s)", "CPU time (s)", "Cores"):
        table.add_column(name)
    for timing in document.timings:
        times = (f"{timing.wall_time:.0f}", f"{timing.cpu_time:.0f}")
        table.add_row(timing.step, *times, str(timing.cores))
    return table
