"""Equilibrium shapes for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from surfalign.listing import fixed
from surfalign.physics.lattice.orientations import format_miller_index
from surfalign.stores.documents import ResultState
from surfalign.stores.shapes.selection import Selection
from surfalign.stores.shapes.shape import CrystalShape


def shape_report(made: CrystalShape) -> RenderableType:
    """Return the terminations with their shares, the averages, and what is missing."""
    parts: list[RenderableType] = [_terminations_table(made)]
    for name, average in (("IP", made.ionization_potential), ("EA", made.electron_affinity)):
        if average is not None:
            parts.append(
                f"{name} over the area: {average.mean:.2f} eV, spread {average.spread:.2f} eV"
            )
    parts.append(f"Surface energy over the area: {made.shape.mean_surface_energy:.2f} J/m²")
    if made.missing:
        parts.append(_missing_table(made))
    return Group(*parts, *notes(made.selection))


def notes(selection: Selection) -> list[str]:
    """Return what the reader must know of the results that were taken, in rich's markup."""
    found = []
    if len(selection.methods) > 1:
        listed = "; ".join(selection.methods)
        found.append(
            f"[yellow]Of {len(selection.methods)} methods, which do not compare: {escape(listed)}[/]"
        )
    flagged = [d.surface_name for d in selection.documents if d.state is ResultState.FLAGGED]
    if flagged:
        found.append(f"[yellow]* failed checks: {escape(', '.join(flagged))}[/]")
    found += [
        f"[dim]Left out, {escape(reason)}: {escape(', '.join(names))}[/]"
        for reason, names in selection.left_out.items()
    ]
    return found


def _terminations_table(made: CrystalShape) -> Table:
    caption = made.selection.methods[0] if len(made.selection.methods) == 1 else None
    table = Table(title=f"Equilibrium shape of {made.selection.crystal.text}", caption=caption)
    table.add_column("Surface", no_wrap=True)
    headings = ("Surface\nenergy\n(J/m²)", "Share of\nthe area", "IP\n(eV)", "EA\n(eV)")
    weight = f"Share of its\nface, {made.temperature:g} K,\nat most"
    for name in (*headings, weight):
        table.add_column(name, justify="right")
    for t in made.terminations:
        mark = " *" if t.document.state is ResultState.FLAGGED else ""
        table.add_row(
            escape(t.document.surface_name) + mark,
            f"{t.surface_energy:.2f}",
            f"{100 * t.area_fraction:.0f} %" if t.area_fraction else "–",
            fixed(t.document.ionization_potential),
            fixed(t.document.electron_affinity),
            f"{100 * t.weight:.1f} %",
        )
    return table


def _missing_table(made: CrystalShape) -> Table:
    table = Table(title="Orientations without a result")
    table.add_column("Orientation")
    table.add_column("Shows below (J/m²)", justify="right")
    table.add_column("Slab")
    for m in made.missing:
        table.add_row(
            format_miller_index(m.orientation.miller_index),
            f"{m.shows_below:.2f}",
            "not computed" if m.orientation.nonpolar else "polar: no nonpolar slab",
        )
    return table
