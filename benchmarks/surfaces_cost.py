"""How the cost of finding surfaces grows with orientations and with atoms: numbers and a figure.

On the crystals of the built-in library, one core, slabs of 12 angstrom, their pymatgen structures
made. Times are CPU times, the least of three. Example::

    python benchmarks/surfaces_cost.py --figure docs/_static/surfaces-cost.png
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter
from surfaces import own_slabs

from surfalign.crystals.library import library
from surfalign.crystals.sources import library_crystal
from surfalign.physics.orientations import nonpolar_orientations
from surfalign.physics.symmetry import symmetrize

#: Crystals whose maximum index is raised.
SERIES = {"MgO": 5, "TiO2-rutile": 4, "SrTiO3": 4, "Al2O3": 3, "In2O3": 3}
PLANAR, ALL = "types A and B", "types A, B and C"


@dataclass(frozen=True)
class Cost:
    """CPU seconds for one crystal."""

    name: str
    n_sites: int
    n_orientations: int
    n_slabs: int
    n_atoms: int
    seconds: float


def measure(name: str, max_index: int, corrugated: bool, repeats: int = 3) -> Cost:
    structure = library_crystal(library()[name]).structure
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        slabs = own_slabs(structure, max_index, corrugated)
        best = min(best, time.process_time() - start)
    crystal = symmetrize(structure)
    return Cost(
        name=name,
        n_sites=len(crystal.numbers),
        n_orientations=len(nonpolar_orientations(crystal, max_index)),
        n_slabs=len(slabs),
        n_atoms=sum(slab.n_atoms for slab in slabs),
        seconds=best,
    )


def slope(x: list[float], y: list[float]) -> float:
    """Return the exponent of a power law through the points."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def draw(by_atoms: dict[str, list[Cost]], by_index: dict[str, list[Cost]], path: Path) -> None:
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12.0, 3.8), layout="constrained")
    for (what, costs), colour in zip(by_atoms.items(), ("#1f4e8c", "#c8553d"), strict=True):
        found = [c for c in costs if c.n_slabs]
        left.loglog(
            [c.n_sites for c in found],
            [1e3 * c.seconds / c.n_orientations for c in found],
            "o", color=colour, alpha=0.7, markersize=4, label=what,
        )  # fmt: skip
    _guide(left, (4.0, 60.0), 0.7, "linear")
    left.set(xlabel="atoms in the primitive cell", ylabel="CPU time per orientation (ms)")
    left.legend(frameon=False, fontsize=8)
    for name, costs in by_index.items():
        seconds = [c.seconds for c in costs]
        middle.loglog([c.n_orientations for c in costs], seconds, "o-", ms=4, label=name)
        right.loglog([c.n_atoms for c in costs], seconds, "o-", ms=4, label=name)
    _guide(middle, (3.0, 40.0), 0.006, "linear")
    middle.set(xlabel="orientations searched", ylabel="CPU time (s), types A, B and C")
    middle.legend(frameon=False, fontsize=8)
    _guide(right, (1e3, 1e5), 0.006, "linear")
    right.set(xlabel="atoms of all slabs found", ylabel="CPU time (s), types A, B and C")
    for axes in (left, middle, right):
        axes.spines[["top", "right"]].set_visible(False)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())
    left.set_xticks([2, 5, 10, 20, 40, 80])
    left.set_yticks([1, 2, 5, 10, 20, 50])
    middle.set_xticks([3, 5, 10, 20, 50])
    figure.savefig(path, dpi=130)


def _guide(axes: Axes, ends: tuple[float, float], start: float, text: str) -> None:
    """Draw a line of slope one."""
    axes.loglog(ends, [start, start * ends[1] / ends[0]], "--", color="grey", lw=1)
    axes.annotate(
        text, (ends[1], start * ends[1] / ends[0]), color="grey", fontsize=8,
        xytext=(2, -8), textcoords="offset points",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--figure", type=Path, default=None, help="PNG file to write")
    arguments = parser.parse_args()
    measure("MgO", 1, corrugated=True)  # first calls are not counted
    by_atoms = {
        PLANAR: [measure(name, 1, corrugated=False) for name in library()],
        ALL: [measure(name, 1, corrugated=True) for name in library()],
    }
    for what, costs in by_atoms.items():
        found = [c for c in costs if c.n_slabs]
        exponent = slope([c.n_sites for c in found], [c.seconds / c.n_orientations for c in found])
        print(f"{what}: time per orientation grows with the power {exponent:.2f} of the atoms")
    everything = by_atoms[ALL]
    per_slab = [1e3 * c.seconds / c.n_slabs for c in everything if c.n_slabs]
    per_atom = [1e6 * c.seconds / c.n_atoms for c in everything if c.n_slabs]
    print(f"{np.median(per_slab):.2f} ms a slab, {np.median(per_atom):.0f} us an atom of a slab")
    atoms = [float(c.n_atoms) for c in everything if c.n_slabs]
    exponent = slope(atoms, [c.seconds for c in everything if c.n_slabs])
    print(f"time grows with the power {exponent:.2f} of the atoms of all slabs found")
    by_index = {
        name: [measure(name, index, corrugated=True) for index in range(1, largest + 1)]
        for name, largest in SERIES.items()
    }
    for name, costs in by_index.items():
        steps = ", ".join(f"{c.n_orientations}: {c.seconds:.3f} s ({c.n_slabs})" for c in costs)
        exponent = slope([c.n_orientations for c in costs], [c.seconds for c in costs])
        print(f"{name}, orientations: time (slabs): {steps}; power {exponent:.2f}")
    if arguments.figure:
        draw(by_atoms, by_index, arguments.figure)


if __name__ == "__main__":
    main()
