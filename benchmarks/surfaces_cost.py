"""How the cost of finding surfaces grows with orientations and with atoms: numbers and a figure.

On the crystals of the built-in library, one core, slabs of 12 angstrom. Two things are timed apart:
finding the surfaces of a symmetrized crystal (all atoms, names and identifiers) and making pymatgen's
structures of all of them. Times are CPU times, the least of three. Example::

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
from surfaces import found_slabs

from surfalign.crystals.library import library
from surfalign.crystals.sources import library_crystal
from surfalign.physics.lattice.orientations import nonpolar_orientations
from surfalign.physics.lattice.symmetry import symmetrize

#: Crystals whose maximum index is raised.
SERIES = {"MgO": 8, "TiO2-rutile": 7, "SrTiO3": 7, "Al2O3": 5, "In2O3": 4}
PLANAR, ALL = "types A and B", "types A, B and C"


@dataclass(frozen=True)
class Cost:
    """CPU seconds for one crystal.

    Attributes
    ----------
    name
        Of the crystal in the library.
    n_sites
        Atoms in its primitive cell.
    n_orientations
        Nonpolar orientations that were searched.
    n_slabs, n_atoms
        Slabs that were found, and the atoms of all of them.
    seconds
        To find them.
    structure_seconds
        To make pymatgen's structures of them.
    """

    name: str
    n_sites: int
    n_orientations: int
    n_slabs: int
    n_atoms: int
    seconds: float
    structure_seconds: float


def measure(name: str, max_index: int, corrugated: bool, repeats: int = 3) -> Cost:
    """Time one crystal up to an index."""
    crystal = symmetrize(library_crystal(library()[name]).structure)
    found, made = [], []
    for _ in range(repeats):
        start = time.process_time()
        slabs = found_slabs(crystal, max_index, corrugated)
        for slab in slabs:
            _ = slab.identifier
        found.append(time.process_time() - start)
        # One after the other, and not kept: nobody holds a million atoms at once.
        start = time.process_time()
        for slab in slabs:
            _ = slab.slab
            del vars(slab)["slab"]
        made.append(time.process_time() - start)
    return Cost(
        name=name,
        n_sites=len(crystal.numbers),
        n_orientations=len(nonpolar_orientations(crystal, max_index)),
        n_slabs=len(slabs),
        n_atoms=sum(slab.n_atoms for slab in slabs),
        seconds=min(found),
        structure_seconds=min(made),
    )


def slope(x: list[float], y: list[float]) -> float:
    """Return the exponent of a power law through the points."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def draw(by_atoms: dict[str, list[Cost]], by_index: dict[str, list[Cost]], path: Path) -> None:
    """Draw the times against atoms of the cell, orientations, and atoms of the slabs."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12.0, 3.8), layout="constrained")
    for (what, costs), colour in zip(by_atoms.items(), ("#1f4e8c", "#c8553d"), strict=True):
        found = [c for c in costs if c.n_slabs]
        left.loglog(
            [c.n_sites for c in found],
            [1e3 * c.seconds / c.n_orientations for c in found],
            "o", color=colour, alpha=0.7, markersize=4, label=what,
        )  # fmt: skip
    _guide(left, (4.0, 60.0), 0.5)
    left.set(xlabel="atoms in the primitive cell", ylabel="finding, CPU time per orientation (ms)")
    left.legend(frameon=False, fontsize=8)
    for name, costs in by_index.items():
        orientations = [c.n_orientations for c in costs]
        middle.loglog(orientations, [c.seconds for c in costs], "o-", ms=4, label=name)
        atoms, seconds = [c.n_atoms for c in costs], [c.structure_seconds for c in costs]
        right.loglog(atoms, seconds, "o-", ms=4, label=name)
    _guide(middle, (3.0, 200.0), 0.003)
    middle.set(xlabel="orientations searched", ylabel="finding, CPU time (s)")
    middle.legend(frameon=False, fontsize=8)
    _guide(right, (1e2, 2e5), 1.5e-4)
    right.set(xlabel="atoms of all slabs found", ylabel="pymatgen structures, CPU time (s)")
    for axes in (left, middle, right):
        axes.spines[["top", "right"]].set_visible(False)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())
    left.set_xticks([2, 5, 10, 20, 40, 80])
    left.set_yticks([1, 2, 5, 10, 20])
    middle.set_xticks([3, 10, 30, 100, 200])
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _guide(axes: Axes, ends: tuple[float, float], start: float) -> None:
    """Draw a line of slope one."""
    axes.loglog(ends, [start, start * ends[1] / ends[0]], "--", color="grey", lw=1)
    axes.annotate(
        "linear", (ends[1], start * ends[1] / ends[0]), color="grey", fontsize=8,
        xytext=(2, -8), textcoords="offset points",
    )  # fmt: skip


def tell(by_atoms: dict[str, list[Cost]], by_index: dict[str, list[Cost]]) -> None:
    """Print the numbers."""
    for what, costs in by_atoms.items():
        found = [c for c in costs if c.n_slabs]
        each = [1e3 * c.seconds / c.n_orientations for c in found]
        print(f"{what}: {np.median(each):.1f} ms an orientation (median; {min(each):.1f} to "
              f"{max(each):.1f}), power {slope([c.n_sites for c in found], each):.2f} of the atoms")  # fmt: skip
    found = [c for c in by_atoms[ALL] if c.n_slabs]
    per_slab = np.median([1e3 * c.seconds / c.n_slabs for c in found])
    per_atom = np.median([1e6 * c.structure_seconds / c.n_atoms for c in found])
    print(f"a slab: {per_slab:.2f} ms to find it, {per_atom:.1f} us for each atom of its structure")
    for name, costs in by_index.items():
        for c in costs:
            print(f"{name}: {c.n_orientations} orientations, {c.n_slabs} slabs, {c.n_atoms} atoms: "
                  f"{c.seconds:.3f} s, {1e3 * c.seconds / c.n_orientations:.2f} ms an orientation; "
                  f"structures {c.structure_seconds:.3f} s")  # fmt: skip
        orientations = [c.n_orientations for c in costs]
        atoms = [c.n_atoms for c in costs]
        made = [c.structure_seconds for c in costs]
        print(f"{name}: finding grows with the power "
              f"{slope(orientations, [c.seconds for c in costs]):.2f} of the orientations, slabs "
              f"{slope(orientations, [c.n_slabs for c in costs]):.2f}, their atoms "
              f"{slope(orientations, atoms):.2f}; structures {slope(orientations, made):.2f} of the "
              f"orientations, {slope(atoms, made):.2f} of the atoms")  # fmt: skip


def main() -> None:
    """Measure, print and draw."""
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
    by_index = {
        name: [measure(name, index, corrugated=True) for index in range(1, largest + 1)]
        for name, largest in SERIES.items()
    }
    tell(by_atoms, by_index)
    if arguments.figure:
        draw(by_atoms, by_index, arguments.figure)


if __name__ == "__main__":
    main()
