"""Which surfaces meet a rule, and why the others do not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from surfalign.physics.contacts.anderson import dipole_deviation
from surfalign.physics.levels.distribution import LevelDistribution, LevelWindow
from surfalign.stores.screening.candidates import Candidate, Candidates
from surfalign.stores.screening.question import NAMES, Bounds, Question

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Screening:
    """The answer for each surface, the most probable first.

    Attributes
    ----------
    question
        What was asked.
    surfaces
        The surfaces.
    levels
        IP and EA, eV, shape (n, 2), moved as the question says.
    deviations
        Standard deviations of IP and EA, eV, shape (n, 2).
    probabilities
        That a surface meets all conditions, shape (n,).
    single
        The same of each condition alone, shape (n, n_conditions); NaN where what it asks for is not known, and
        then it excludes nothing.
    excess
        How far the value itself lies inside of each condition, shape (n, n_conditions); negative outside; NaN
        likewise. In eV, but for the dielectric constant.
    left_out
        Surfaces that were not screened, and why.
    """

    question: Question
    surfaces: tuple[Candidate, ...]
    levels: Array
    deviations: Array
    probabilities: Array
    single: Array
    excess: Array
    left_out: tuple[tuple[str, str], ...]

    def best(self, number: int) -> Screening:
        """Return the most probable surfaces alone, without holding on to the others."""
        return replace(
            self,
            surfaces=self.surfaces[:number],
            levels=self.levels[:number].copy(),
            deviations=self.deviations[:number].copy(),
            probabilities=self.probabilities[:number].copy(),
            single=self.single[:number].copy(),
            excess=self.excess[:number].copy(),
        )

    def reason(self, row: int) -> str:
        """Return why a surface does not meet the rule by its values; empty where it does."""
        missed = [
            _shortfall(bounds, self._value(bounds, row))
            for bounds, excess in zip(self.question.conditions, self.excess[row], strict=True)
            if excess < 0
        ]
        return "; ".join(missed)

    def unknown(self, row: int) -> list[str]:
        """Return what is not known of a surface though the rule asks for it."""
        return [
            NAMES[bounds.quantity]
            for bounds, excess in zip(self.question.conditions, self.excess[row], strict=True)
            if math.isnan(excess)
        ]

    def _value(self, bounds: Bounds, row: int) -> float:
        return float(_values(bounds, self.levels[row : row + 1], self.surfaces[row : row + 1])[0])


def screen(question: Question, candidates: Candidates) -> Screening:
    """Return how probable it is that each surface meets a rule.

    The errors of the levels are those of :mod:`~.level_errors`; at a contact the error of the alignment comes
    on top, to IP and EA alike. A dielectric constant counts as exact.
    """
    chances, singles, means, widths = [], [], [], []
    for part in candidates.distributions:
        moved = _at_the_place(part, question)
        windows = _joined([b.window for b in question.conditions if b.window is not None])
        chances.append(moved.probability(windows))
        columns = [
            np.full(len(part), np.nan) if b.window is None else moved.probability([b.window])
            for b in question.conditions
        ]
        singles.append(np.column_stack(columns))
        means.append(moved.means)
        widths.append(np.sqrt(np.einsum("nkk->nk", moved.covariances)))
    n = len(candidates.surfaces)
    levels = np.concatenate(means) if means else np.empty((0, 2))
    deviations = np.concatenate(widths) if widths else np.empty((0, 2))
    probabilities = np.concatenate(chances) if chances else np.empty(0)
    single = np.concatenate(singles) if singles else np.empty((0, len(question.conditions)))
    excess = np.empty((n, len(question.conditions)))
    for column, bounds in enumerate(question.conditions):
        values = _values(bounds, levels, candidates.surfaces)
        excess[:, column] = np.minimum(values - bounds.low, bounds.high - values)
        if bounds.window is None:
            known = ~np.isnan(values)
            single[known, column] = (excess[known, column] >= 0).astype(float)
            probabilities[known] *= single[known, column]
    order = np.lexsort((-np.nan_to_num(excess, nan=0.0).min(axis=1), -probabilities))
    return Screening(
        question,
        tuple(candidates.surfaces[i] for i in order),
        levels[order],
        deviations[order],
        probabilities[order],
        single[order],
        excess[order],
        candidates.left_out,
    )


@dataclass(frozen=True)
class FormulaRow:
    """The surfaces of one formula.

    Attributes
    ----------
    formula, source
        Whose surfaces, computed or predicted.
    n_surfaces
        How many.
    best, worst
        Probability and name of the best and of the worst.
    area_weighted
        Probability that a point of the equilibrium shape lies on a surface that meets the rule, polymorphs with
        equal parts; None where no area is known.
    area_known
        Share of the shapes' area whose surfaces were screened.
    """

    formula: str
    source: str
    n_surfaces: int
    best: tuple[float, str]
    worst: tuple[float, str]
    area_weighted: float | None = None
    area_known: float = 0.0


def by_formula(
    screening: Screening, area_fractions: Mapping[str, float] | None = None
) -> list[FormulaRow]:
    """Return one row for each formula, the one with the best surface first.

    Parameters
    ----------
    screening
        Its surfaces are in the order of their probability.
    area_fractions
        Surface identifier to its share of the crystal's equilibrium shape, 0 to 1.
    """
    shares = area_fractions or {}
    groups: dict[tuple[str, str], list[int]] = {}
    for row, surface in enumerate(screening.surfaces):
        groups.setdefault((surface.formula, surface.source), []).append(row)
    found = []
    for (formula, source), rows in groups.items():
        chances = screening.probabilities[rows]
        own = np.array([shares.get(screening.surfaces[r].surface_identifier, 0.0) for r in rows])
        # Polymorphs, and methods, have a shape each.
        shapes = {
            (screening.surfaces[r].crystal, screening.surfaces[r].method)
            for r, share in zip(rows, own, strict=True)
            if share > 0
        }
        known = float(own.sum())
        first, last = rows[0], rows[-1]
        found.append(
            FormulaRow(
                formula,
                source,
                len(rows),
                (float(chances[0]), screening.surfaces[first].name),
                (float(chances[-1]), screening.surfaces[last].name),
                float(own @ chances / known) if known > 0 else None,
                known / max(len(shapes), 1),
            )
        )
    return found


def _at_the_place(part: LevelDistribution, question: Question) -> LevelDistribution:
    """Move the levels as water does, and add the error of an alignment to both alike."""
    moved = replace(part, means=part.means - question.shift)
    dipole = dipole_deviation(question.rule.alignment_error)
    if not dipole:
        return moved
    # The sum of two distributions: a normal one of the same covariance, which at a contact is near enough.
    return LevelDistribution.normal(moved.means, moved.covariances + dipole**2)


def _joined(windows: list[LevelWindow]) -> list[LevelWindow]:
    """Return one window for each direction: the part that all of it share."""
    found: dict[tuple[float, float], LevelWindow] = {}
    for window in windows:
        key = (window.ionization_potential, window.electron_affinity)
        other = found.get(key, window)
        low, high = max(other.low, window.low), min(other.high, window.high)
        found[key] = replace(window, low=low, high=high)
    return list(found.values())


def _values(bounds: Bounds, levels: Array, surfaces: tuple[Candidate, ...]) -> Array:
    if bounds.quantity == "conduction_band":
        return -levels[:, 1]
    if bounds.quantity == "valence_band":
        return -levels[:, 0]
    if bounds.quantity == "band_gap":
        return np.asarray(levels[:, 0] - levels[:, 1])
    constants = [s.dielectric_constant for s in surfaces]
    return np.array([np.nan if c is None else c for c in constants], dtype=float)


def _shortfall(bounds: Bounds, value: float) -> str:
    """Say by how much a value misses its bounds."""
    low = value < bounds.low
    bound, name = (bounds.low, bounds.low_name) if low else (bounds.high, bounds.high_name)
    unit = "" if bounds.quantity == "dielectric_constant" else " eV"
    word = "below" if low else "above"
    where = f"{name} ({bound:.2f}{unit})" if name else f"{bound:.2f}{unit}"
    return f"{NAMES[bounds.quantity]} {value:.2f}{unit}, {abs(bound - value):.2f} {word} {where}"
