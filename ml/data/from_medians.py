"""Weak labels: the median over all surfaces of a formula, where no value of a surface is known."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from pymatgen.core import Composition

from surfalign.errors import DamagedFileError, EmptyDatasetError, InvalidLabelError
from surfalign.ml.data.candidate_surfaces import CandidateCrystal
from surfalign.ml.data.datasets import FrozenDataset, freeze
from surfalign.ml.data.records import Fidelity, SetLabel, Statistic, SurfaceRecord
from surfalign.physics.lattice.orientations import nonpolar_orientations

FIDELITY = Fidelity(functional="ddh", method="formula median", origin="jacs-si")
#: Weight of a median in the loss, against 1 of a surface's own label.
WEIGHT = 0.5
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
    for done, (formula, value) in enumerate(medians.items()):
        if on_progress is not None:
            on_progress(done, len(medians))
        slabs = _surfaces(by_formula.get(formula, []))
        if not slabs:
            left_out[NO_SURFACE if formula in by_formula else NO_CRYSTAL].append(formula)
            continue
        records |= {slab.name: slab for slab in slabs}
        sets.append(
            SetLabel(
                name="ionization_potential",
                value=value,
                unit="eV",
                fidelity=FIDELITY.key,
                weight=WEIGHT,
                members=tuple(slab.name for slab in slabs),
                statistic=Statistic.MEDIAN,
                formula=formula,
                source=f"{path.name}:{formula}",
            )
        )
    return freeze(
        path.name.split(".")[0],
        list(records.values()),
        set_labels=sets,
        fidelities=[FIDELITY],
        left_out=left_out,
        description=f"formula medians of {path.name} over enumerated surfaces",
    )


def read_medians(path: Path) -> dict[str, float]:
    """Read formula to median IP, eV.

    Raises
    ------
    DamagedFileError
        When the file cannot be read or lacks a column.
    EmptyDatasetError
        When it has no rows.
    InvalidLabelError
        When a median is no finite number.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        medians = {Composition(row["formula"]).reduced_formula: row["ip_median_ev"] for row in rows}
    except (OSError, KeyError, ValueError) as error:
        raise DamagedFileError(
            f"{path} is no table of medians: {type(error).__name__}: {error}",
            "a CSV file with the columns formula and ip_median_ev",
        ) from error
    if not medians:
        raise EmptyDatasetError(f"{path} has no rows", "one formula a row")
    numbers = {}
    for formula, text in medians.items():
        try:
            numbers[formula] = float(text)
        except (TypeError, ValueError):
            numbers[formula] = math.nan
        if not math.isfinite(numbers[formula]):
            raise InvalidLabelError(f"the median of {formula} is {text!r}", "a finite number")
    return numbers


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
