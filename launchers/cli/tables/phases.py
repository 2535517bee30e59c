"""Terminations in oxygen gas, for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from surfalign.launchers.cli.tables.shapes import notes
from surfalign.listing import fixed
from surfalign.physics.lattice.orientations import format_miller_index
from surfalign.physics.phases.chemical_potential import temperature_of
from surfalign.stores.documents import ResultState
from surfalign.stores.shapes.oxygen_phases import OxygenPhases

#: Pressures of O2 whose temperatures are shown, bar: hard vacuum, and air.
VACUUM, AIR = 1e-13, 0.21


def phases_report(made: OxygenPhases) -> RenderableType:
    """Return the surfaces, which of them is stable where, and what the zero is."""
    parts: list[RenderableType] = [_surfaces_table(made), _ranges_table(made)]
    if made.reference:
        shift = f", corrected by {made.correction:+.2f} eV an atom" if made.correction else ""
        parts.append(f"Zero: half an O2 molecule, its energy from {made.reference}{shift}")
    else:
        parts.append(
            "[yellow]Only stoichiometric slabs: 'surfalign run ... --oxygen' computes the others[/]"
        )
    if any(_lowest(made, number) < 0 for number in range(len(made.ranges))):
        parts.append(
            "[yellow]Where the surface energy is negative the crystal itself is not stable: it gives off "
            "or takes up oxygen[/]"
        )
    return Group(*parts, *notes(made.selection))


def _surfaces_table(made: OxygenPhases) -> Table:
    face = f"{made.selection.crystal.formula} {format_miller_index(made.miller_index)}"
    caption = made.selection.methods[0] if len(made.selection.methods) == 1 else None
    table = Table(title=f"{face} in oxygen gas", caption=caption)
    table.add_column("Surface", no_wrap=True)
    headings = ("Excess\noxygen", "Surface energy\nat zero (J/m²)", "Change\n(J/m²/eV)", "IP\n(eV)")
    for name in (*headings, "EA\n(eV)"):
        table.add_column(name, justify="right")
    for document, line in zip(made.documents, made.lines, strict=True):
        mark = " *" if document.state is ResultState.FLAGGED else ""
        table.add_row(
            escape(document.surface_name) + mark,
            f"{document.excess_oxygen:+d}" if document.excess_oxygen else "0",
            f"{line.at_zero:.2f}",
            f"{line.slope:.2f}",
            fixed(document.ionization_potential),
            fixed(document.electron_affinity),
        )
    return table


def _ranges_table(made: OxygenPhases) -> Table:
    table = Table(title="Stable, from oxygen-poor to oxygen-rich")
    table.add_column("Chemical potential\nof oxygen (eV)")
    table.add_column("Surface", no_wrap=True)
    for name in (
        "Surface energy\n(J/m²)",
        "IP\n(eV)",
        "T in vacuum,\n1e-13 bar (K)",
        "T in air\n(K)",
    ):
        table.add_column(name, justify="right")
    for found in made.ranges:
        document, line = made.documents[found.number], made.lines[found.number]
        table.add_row(
            f"{found.low:.2f} to {found.high:.2f}",
            escape(document.surface_name),
            f"{line.at(found.low):.2f} to {line.at(found.high):.2f}",
            fixed(document.ionization_potential),
            _temperatures(found.low, found.high, VACUUM),
            _temperatures(found.low, found.high, AIR),
        )
    return table


def _lowest(made: OxygenPhases, number: int) -> float:
    found = made.ranges[number]
    line = made.lines[found.number]
    return min(line.at(found.low), line.at(found.high))


def _temperatures(low: float, high: float, pressure: float) -> str:
    """Write between which temperatures a range lies; the tables of O2 begin at 100 K."""
    cold, hot = temperature_of(high, pressure), temperature_of(low, pressure)
    if hot is None:
        return "–"
    return f"below {hot:.0f}" if cold is None else f"{cold:.0f} to {hot:.0f}"
