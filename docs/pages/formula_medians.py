"""Our ionization potentials, formula by formula, beside the medians of the paper that this platform follows.

``python docs/pages/formula_medians.py MEDIANS.csv`` writes docs/formula-medians.md and its picture anew, after results were
added to the data set. The file has the columns formula, ip_median_ev, n_surfaces and ip_spread_ev; only the
rows of formulas that the data set has are carried over.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import dataset
import matplotlib as mpl
from matplotlib.figure import Figure
from pymatgen.core import Composition

from surfalign.files import write_whole
from surfalign.launchers.figures.style import FAINT, STYLE, VALENCE, name_point, save
from surfalign.stores.documents import SurfaceLevelsDocument

DOCS = Path(__file__).parent.parent
PAGE = DOCS / "formula-medians.md"
PICTURE = DOCS / "_static" / "formula-medians.png"

_INTRODUCTION = """\
# Formula by formula against the paper

The median IP of the surfaces of each oxide in [the data set](dataset.md) beside the median of all surfaces of that
formula in [J. Am. Chem. Soc. 146, 9697 (2024)](https://doi.org/10.1021/jacs.3c13574), which published no number of a
single surface. Its medians pool polymorphs, orientations and terminations; ours so far hold {per_formula} surfaces of a formula
on average. So this is a coarse check: a difference within the spread of either says nothing.

**{n} formulas have both: mean absolute difference {mae:.2f} eV, mean difference {bias:+.2f} eV (ours minus theirs); {within} of them lie
within half the paper's spread.** Of the {n_theirs} medians {n_missing} have no partner yet.

![Median ionization potentials of formulas, ours against the paper's](_static/formula-medians.png)

Points: medians. Bars: lowest to highest of our surfaces (vertical); half the paper's spread to either side (horizontal). Hollow: at least
one of our surfaces is flagged.

| formula | our median (eV) | our surfaces, their IP (eV) | paper's median (eV) | its surfaces, their spread (eV) | difference (eV) |
|---|--:|---|--:|---|--:|
"""


@dataclass(frozen=True)
class FormulaLevels:
    """Both medians of a formula (eV)."""

    formula: str
    ours: tuple[float, ...]
    is_flagged: bool
    theirs: float
    n_theirs: int
    spread: float

    @property
    def difference(self) -> float:
        """Ours minus theirs."""
        return median(self.ours) - self.theirs


def compare(
    results: list[SurfaceLevelsDocument], medians: list[dict[str, str]]
) -> list[FormulaLevels]:
    """Return the formulas that both have, by our median."""
    found: dict[str, list[SurfaceLevelsDocument]] = defaultdict(list)
    for document in results:
        if document.ionization_potential is not None:
            found[Composition(document.formula).reduced_formula].append(document)
    both = [
        FormulaLevels(
            formula=formula,
            ours=tuple(sorted(d.ionization_potential or 0.0 for d in found[formula])),
            is_flagged=any(d.state != "passed" for d in found[formula]),
            theirs=float(row["ip_median_ev"]),
            n_theirs=int(row["n_surfaces"]),
            spread=float(row["ip_spread_ev"]),
        )
        for row in medians
        if (formula := Composition(row["formula"]).reduced_formula) in found
    ]
    return sorted(both, key=lambda levels: median(levels.ours))


def page(both: list[FormulaLevels], n_theirs: int) -> str:
    """Return the page."""
    text = _INTRODUCTION.format(
        n=len(both),
        per_formula=f"{fmean(len(levels.ours) for levels in both):.1f}",
        mae=fmean(abs(levels.difference) for levels in both),
        bias=fmean(levels.difference for levels in both),
        within=sum(abs(levels.difference) <= levels.spread / 2 for levels in both),
        n_theirs=n_theirs,
        n_missing=n_theirs - len(both),
    )
    return text + "".join(f"| {' | '.join(_cells(levels))} |\n" for levels in both)


def _cells(levels: FormulaLevels) -> list[str]:
    one, *others = levels.ours
    own = f"{one:.2f}" + (f" to {others[-1]:.2f}" if others else "")
    spread = f", {levels.spread:.2f}" if levels.n_theirs > 1 else ""
    return [
        levels.formula + (" (flagged)" if levels.is_flagged else ""),
        f"{median(levels.ours):.2f}",
        f"{len(levels.ours)}: {own}",
        f"{levels.theirs:.2f}",
        f"{levels.n_theirs}{spread}",
        f"{levels.difference:+.2f}",
    ]


def draw(both: list[FormulaLevels], path: Path) -> Path:
    """Draw our medians against theirs."""
    reach = [(levels.theirs + sign * levels.spread / 2) for levels in both for sign in (-1, 1)]
    reach += [x for levels in both for x in levels.ours]
    ends = (min(reach) - 0.3, max(reach) + 0.3)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.2, 6.2), layout="constrained")
        axes = figure.subplots()
        axes.plot(ends, ends, color=FAINT, lw=1, zorder=0)
        for levels in both:
            y = median(levels.ours)
            axes.errorbar(
                levels.theirs, y, xerr=levels.spread / 2,
                yerr=[[y - levels.ours[0]], [levels.ours[-1] - y]], fmt="o", ms=6, mec=VALENCE,
                mfc="white" if levels.is_flagged else VALENCE, ecolor=FAINT, elinewidth=1, capsize=2,
            )  # fmt: skip
            above = levels.difference >= 0 and _is_free_above(levels, both)
            name_point(
                axes, (levels.theirs, y), re.sub(r"(\d+)", r"$_{\1}$", levels.formula), above=above
            )
        axes.set(
            xlim=ends, ylim=ends, aspect="equal", xlabel="median IP in J. Am. Chem. Soc. 146, 9697 (eV)",
            ylabel="median IP of the data set (eV)",
        )  # fmt: skip
        return save(figure, path, dpi=180)


def _is_free_above(levels: FormulaLevels, both: list[FormulaLevels]) -> bool:
    """Return whether no other point lies where the name of this one would stand, to the upper left."""
    x, y = levels.theirs, median(levels.ours)
    return not any(
        -0.7 < other.theirs - x < 0 and 0 < median(other.ours) - y < 0.4 for other in both
    )


if __name__ == "__main__":
    with Path(sys.argv[1]).open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    compared = compare(dataset.read(), rows)
    draw(compared, PICTURE)
    write_whole(PAGE, page(compared, len(rows)))
    print(f"{len(compared)} formulas in {PAGE.name}")
