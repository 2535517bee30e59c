"""Weak labels: the median over all surfaces of a formula, where no value of a surface is known."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pymatgen.core import Composition
from scipy.stats import norm

from surfalign.errors import DamagedFileError, EmptyDatasetError, InvalidLabelError
from surfalign.files import require_file
from surfalign.ml.data.candidate_surfaces import CandidateCrystal
from surfalign.ml.data.datasets import FrozenDataset, freeze
from surfalign.ml.data.label_quality import joined, weight_of
from surfalign.ml.data.records import Fidelity, SetLabel, Statistic, SurfaceRecord
from surfalign.physics.lattice.orientations import nonpolar_orientations

FIDELITY = Fidelity(functional="ddh", method="formula median", origin="jacs-si")
#: What a formula leaves open of its median, eV: the error of the best models that know only formulas.
FORMULA_ERROR = 0.3
#: Standard deviation of the IPs of the surfaces of one formula, eV: the middle of those in the paper's table.
SURFACE_SPREAD = 0.5
#: Fewer surfaces do not tell their own spread.
ENOUGH_FOR_SPREAD = 4
#: Standard deviation of a median over that of a mean, for normal numbers: sqrt(pi / 2).
MEDIAN_OVER_MEAN = 1.2533
FEW_SURFACES = "median of one surface"
#: Slabs of one formula at most, and atoms of one slab at most.
LARGEST_SET = 12
LARGEST_SLAB = 120
NO_CRYSTAL = "no crystal of this formula"
NO_SURFACE = "no nonpolar surface up to index 1 that is small enough"


def import_medians(
    path: Path,
    crystals: Sequence[CandidateCrystal],
    on_progress: Callable[[int, int], None] | None = None,
) -> FrozenDataset:
    """Attach the medians of a table (columns formula, ip_median_ev) to enumerated surfaces.

    The columns n_surfaces and ip_spread_ev (largest - smallest IP), where there are any, set the weights. Where a
    column gap_ev holds the gap of the crystal by the same method, the median of the EA follows: all surfaces of
    a crystal have its gap.

    Parameters
    ----------
    path
        CSV file.
    crystals
        Crystals whose nonpolar surfaces up to index 1 are enumerated.
    on_progress
        Called with the number of formulas done, and of all.

    Raises
    ------
    DamagedFileError
        When the file lacks a column.
    EmptyDatasetError
        When no formula is matched.
    InvalidLabelError
        When a median is no finite number.
    """
    medians = read_medians(path)
    by_formula: dict[str, list[CandidateCrystal]] = defaultdict(list)
    for crystal in crystals:
        by_formula[crystal.formula].append(crystal)
    records: dict[str, SurfaceRecord] = {}
    sets: list[SetLabel] = []
    left_out: dict[str, list[str]] = defaultdict(list)
    lowered: dict[str, list[str]] = defaultdict(list)
    for done, (formula, median) in enumerate(medians.items()):
        if on_progress is not None:
            on_progress(done, len(medians))
        slabs = _surfaces(by_formula.get(formula, []))
        if not slabs:
            left_out[NO_SURFACE if formula in by_formula else NO_CRYSTAL].append(formula)
            continue
        records |= {slab.name: slab for slab in slabs}
        if median.n_surfaces == 1:
            lowered[FEW_SURFACES].append(formula)
        sets += [
            SetLabel(
                name=name,
                value=value,
                unit="eV",
                fidelity=FIDELITY.key,
                weight=weight_of(median.error),
                members=tuple(slab.name for slab in slabs),
                statistic=Statistic.MEDIAN,
                formula=formula,
                source=f"{path.name}:{formula}",
            )
            for name, value in median.levels.items()
        ]
    return freeze(
        path.name.split(".")[0],
        list(records.values()),
        set_labels=sets,
        fidelities=[FIDELITY],
        left_out=left_out,
        lowered=lowered,
        description=f"formula medians of {path.name} over enumerated surfaces",
    )


@dataclass(frozen=True)
class Median:
    """One row of a table of medians.

    Attributes
    ----------
    value
        Median IP, eV.
    n_surfaces
        Surfaces behind it; None where the table does not say.
    spread
        Their largest - smallest IP, eV; None where the table does not say.
    gap
        Gap of the crystal, eV; None where the table does not say.
    """

    value: float
    n_surfaces: int | None = None
    spread: float | None = None
    gap: float | None = None

    @property
    def levels(self) -> dict[str, float]:
        """Property to its median, eV."""
        known = {"ionization_potential": self.value}
        if self.gap is not None:
            known["electron_affinity"] = self.value - self.gap
        return known

    @property
    def error(self) -> float:
        """How far the median over other surfaces of the formula may be from it, eV."""
        if self.n_surfaces is None:
            return FORMULA_ERROR
        deviation = SURFACE_SPREAD
        if self.n_surfaces >= ENOUGH_FOR_SPREAD and self.spread:
            # Expected range of normal numbers; Blom's approximation of the largest of n.
            largest = norm.ppf((self.n_surfaces - 0.375) / (self.n_surfaces + 0.25))
            deviation = self.spread / (2.0 * float(largest))
        return joined([FORMULA_ERROR, MEDIAN_OVER_MEAN * deviation / math.sqrt(self.n_surfaces)])


def read_medians(path: Path) -> dict[str, Median]:
    """Read formula to median IP.

    Raises
    ------
    MissingFileError
        When there is no such file.
    DamagedFileError
        When the file cannot be read or lacks a column.
    EmptyDatasetError
        When it has no rows.
    InvalidLabelError
        When a median, or what stands beside it, is no finite number.
    """
    require_file(path)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        medians = {Composition(row["formula"]).reduced_formula: row for row in rows}
        texts = {formula: row["ip_median_ev"] for formula, row in medians.items()}
    except (OSError, KeyError, ValueError) as error:
        raise DamagedFileError(
            f"{path} is no table of medians: {type(error).__name__}: {error}",
            "a CSV file with the columns formula and ip_median_ev",
        ) from error
    if not medians:
        raise EmptyDatasetError(f"{path} has no rows", "one formula a row")
    found = {}
    for formula, row in medians.items():
        number, spread, gap = (row.get(k) for k in ("n_surfaces", "ip_spread_ev", "gap_ev"))
        found[formula] = Median(
            _finite(texts[formula], f"the median of {formula}"),
            max(1, int(_finite(number, f"n_surfaces of {formula}"))) if number else None,
            abs(_finite(spread, f"ip_spread_ev of {formula}")) if spread else None,
            _finite(gap, f"gap_ev of {formula}") if gap else None,
        )
    return found


def _finite(text: str, what: str) -> float:
    try:
        number = float(text)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidLabelError(f"{what} is {text!r}", "a finite number")
    return number


def _surfaces(crystals: Sequence[CandidateCrystal]) -> list[SurfaceRecord]:
    """Return the slabs of the densest orientations of some crystals, their shares alike."""
    found: list[SurfaceRecord] = []
    share = max(LARGEST_SET // max(len(crystals), 1), 1)
    for crystal in crystals[:LARGEST_SET]:
        own: list[SurfaceRecord] = []
        for orientation in nonpolar_orientations(crystal.symmetric, 1):
            own += [
                s
                for s in crystal.slabs(orientation.miller_index)
                if len(s.structure) <= LARGEST_SLAB
            ]
            if len(own) >= share:
                break
        found += own[:share]
    return list({slab.name: slab for slab in found}.values())
