"""Whether one model is better than another, on surfaces whose formulas neither has seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from surfalign.ml.assessment.metrics import BOUNDS, FEWEST_FORMULAS, SHOWN_LEVELS, resampled_sums

if TYPE_CHECKING:
    from surfalign.ml.assessment.held_out import HeldOut


@dataclass(frozen=True)
class PairedComparison:
    """Challenger against champion on the same surfaces.

    Attributes
    ----------
    difference
        Mean absolute error of the challenger - that of the champion; negative is better.
    interval
        95 % interval of the difference from a bootstrap over formulas.
    champion_error, challenger_error
        Mean absolute errors.
    n_surfaces, n_formulas
        What they were compared on.
    unit
        Of the errors: that of the properties, or the standard deviations of their labels.
    """

    difference: float
    interval: tuple[float, float]
    champion_error: float
    challenger_error: float
    n_surfaces: int
    n_formulas: int
    unit: str = "eV"

    @property
    def significantly_better(self) -> bool:
        """Whether the whole interval lies below zero, and rests on enough formulas."""
        return self.interval[1] < 0 and self.n_formulas >= FEWEST_FORMULAS

    @property
    def significantly_worse(self) -> bool:
        """Whether the whole interval lies above zero, and rests on enough formulas."""
        return self.interval[0] > 0 and self.n_formulas >= FEWEST_FORMULAS


def compare(
    champion: Mapping[str, NDArray[np.float64]],
    challenger: Mapping[str, NDArray[np.float64]],
    formulas: Sequence[str],
    weights: NDArray[np.float64] | None = None,
    seed: int = 0,
) -> PairedComparison | None:
    """Compare two models on the surfaces for which both have an error; None where there are none.

    Parameters
    ----------
    champion, challenger
        Property to errors, shape (n_surfaces,); NaN where unknown. The error of a surface is the mean
        absolute error over the properties that both know of it.
    formulas
        Formula of each surface: the bootstrap draws formulas, because surfaces of one crystal are alike.
    weights
        Of the labels of each surface, shape (n_surfaces,); all alike by default.
    seed
        Of the bootstrap.
    """
    names = sorted(set(champion) & set(challenger))
    if not names:
        return None
    both = np.array([np.abs([champion[name], challenger[name]]) for name in names])
    both[:, :] = np.where(np.isfinite(both).all(axis=1)[:, None], both, np.nan)
    times = np.isfinite(both[:, 0]).sum(axis=0)
    own = np.ones(len(formulas)) if weights is None else weights
    known = (times > 0) & (own > 0)
    if not known.any():
        return None
    old, new = np.nansum(both[:, :, known], axis=0) / times[known]
    w, kept = own[known], [f for f, k in zip(formulas, known, strict=True) if k]
    sums = resampled_sums(np.column_stack([w, w * (new - old)]), kept, seed)
    # A draw of nothing but labels of no weight says nothing.
    means = sums[sums[:, 0] > 0, 1] / sums[sums[:, 0] > 0, 0]
    low, high = np.quantile(means, BOUNDS)
    return PairedComparison(
        difference=float(np.average(new - old, weights=w)),
        interval=(float(low), float(high)),
        champion_error=float(np.average(old, weights=w)),
        challenger_error=float(np.average(new, weights=w)),
        n_surfaces=int(known.sum()),
        n_formulas=len(set(kept)),
    )


def contest(
    champion: Sequence[HeldOut], challenger: Sequence[HeldOut], names: Sequence[str]
) -> dict[str, PairedComparison]:
    """Compare two models by their held-out predictions, each kind of label apart.

    Parameters
    ----------
    champion, challenger
        Predictions of the same data set by members that have not seen the formulas.
    names
        Properties that decide; all where none of these is known.

    Returns
    -------
    dict
        ``surfaces`` (with a gap) or ``crystals``, ``sets`` (medians) and ``near-metals``, as far as both can be tested on them.
    """
    known = {held.name for held in champion}
    decisive = [name for name in names if name in known] or sorted(known)
    whole = SHOWN_LEVELS[champion[0].level if champion else "slab"]
    kinds: dict[str, Callable[[HeldOut], bool]] = {
        whole: lambda held: not (held.near_metal or held.of_set),
        "sets": lambda held: held.of_set,
        "near-metals": lambda held: held.near_metal,
    }
    found = {}
    for kind, belongs in kinds.items():
        old, new = ([h for h in side if belongs(h)] for side in (champion, challenger))
        comparison = _compare_held_out(old, new, decisive)
        if comparison is not None:
            found[kind] = comparison
    return found


def _compare_held_out(
    old: Sequence[HeldOut], new: Sequence[HeldOut], names: Sequence[str]
) -> PairedComparison | None:
    items = {held.surface: held for held in new}
    place = {title: row for row, title in enumerate(items)}
    weights = np.zeros(len(items))
    scales, unit = _scales(old, names)

    def table(side: Sequence[HeldOut]) -> dict[str, NDArray[np.float64]]:
        columns = {name: np.full(len(items), np.nan) for name in names}
        for held in side:
            if held.name in columns and held.surface in place:
                error = (held.value - held.label) / scales[held.name]
                columns[held.name][place[held.surface]] = error
                weights[place[held.surface]] = held.weight
        return columns

    found = compare(table(old), table(new), [held.formula for held in items.values()], weights)
    return None if found is None else replace(found, unit=unit)


def _scales(held: Sequence[HeldOut], names: Sequence[str]) -> tuple[dict[str, float], str]:
    """Return what the errors of each property are divided by, so that their mean makes sense, and their unit."""
    units = {one.name: one.unit for one in held if one.name in names}
    if len(set(units.values())) == 1:
        return dict.fromkeys(names, 1.0), next(iter(units.values()))
    spreads = {
        name: float(np.std([h.label for h in held if h.name == name] or [1.0])) for name in names
    }
    return {name: s or 1.0 for name, s in spreads.items()}, "standard deviations of the labels"
