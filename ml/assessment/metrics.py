"""Errors with their own errors: weighted statistics of held-out predictions, and a bootstrap over formulas.

Surfaces of one formula share its bulk and are right or wrong together; so a bootstrap draws formulas. The
scatter between random seeds of one split is many times smaller, and says nothing of new formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surfalign.ml.data.records import LABEL_UNITS

if TYPE_CHECKING:
    from surfalign.ml.assessment.held_out import HeldOut

#: Resamplings of a bootstrap.
RESAMPLINGS = 4000
#: Formulas below which a bootstrap tells nothing at 95 %: five that err in one direction do so by chance once in
#: sixteen times, six once in thirty-two, and all that is drawn of so few lies between their own errors.
FEWEST_FORMULAS = 6
#: Bounds of a 95 % interval.
BOUNDS = (0.025, 0.975)
#: What is stated apart from surfaces with a gap: how tables call it, and its key in a summary.
APART = (("near-metals", "near_metals"), ("sets", "sets"))
#: What the structures of a level are called.
SHOWN_LEVELS = {"slab": "surfaces", "crystal": "crystals", "atom": "atoms"}
Array = NDArray[np.float64]
#: Sums of the columns, shape (..., n_columns), to the statistic, shape (...).
Statistic = Callable[[Array], Array]


def resampled_sums(columns: Array, formulas: Sequence[str], seed: int = 0) -> Array:
    """Return the sums of columns over formulas that are drawn with replacement.

    Parameters
    ----------
    columns
        Shape (n, n_columns).
    formulas
        Formula of each row.
    seed
        Of the draws.

    Returns
    -------
    array
        Shape (``RESAMPLINGS``, n_columns).
    """
    groups, index = np.unique(np.array(formulas), return_inverse=True)
    sums = np.zeros((len(groups), columns.shape[1]))
    np.add.at(sums, index, columns)
    n = len(groups)
    times = np.random.default_rng(seed).multinomial(n, np.full(n, 1.0 / n), size=RESAMPLINGS)
    drawn: Array = times @ sums
    return drawn


def estimate(
    columns: Array, formulas: Sequence[str], statistic: Statistic
) -> tuple[float | None, list[float] | None]:
    """Return a statistic of sums, and its 95 % interval; None where there is nothing, or too few formulas."""
    if not len(columns):
        return None, None
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(statistic(columns.sum(axis=0)))
        drawn = statistic(resampled_sums(columns, formulas))
    drawn = drawn[np.isfinite(drawn)]
    few = len(set(formulas)) < FEWEST_FORMULAS or not len(drawn)
    bounds = None if few else [float(bound) for bound in np.quantile(drawn, BOUNDS)]
    return (value if np.isfinite(value) else None), bounds


def _ratio(sums: Array) -> Array:
    return sums[..., 1] / sums[..., 0]


def _root(sums: Array) -> Array:
    return np.sqrt(sums[..., 1] / sums[..., 0])


def _determination(sums: Array) -> Array:
    """Return R2 from the sums of w, w y, w y^2 and w e^2."""
    weight, first, second, errors = (sums[..., k] for k in range(4))
    spread = second - first**2 / weight
    # Labels that are all equal have no spread to explain.
    return 1.0 - errors / np.where(spread > 1e-9 * np.maximum(second, 1e-9), spread, np.nan)


def _difference(sums: Array) -> Array:
    return sums[..., 3] / sums[..., 2] - sums[..., 1] / sums[..., 0]


def metrics(found: Sequence[HeldOut], only: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the errors of predictions of one property, each weighted by its label.

    ``mae``, ``rmse``, ``bias`` (prediction - label), ``r2``, ``coverage`` and ``mean_width`` of the intervals,
    ``mae_in_domain``, ``mae_out_of_domain`` and their difference ``worth_of_domain``; the 95 % interval of each
    (bootstrap over formulas) has its name with ``_interval`` behind it. None where it is not known, as an interval
    of fewer than six formulas. ``only``
    names the statistics that are wanted.
    """
    weights = np.array([held.weight for held in found])
    labels = np.array([held.label for held in found])
    errors = np.array([held.value for held in found]) - labels
    outside = np.array([not held.in_domain for held in found], dtype=float)
    made = np.array([held.covered is not None for held in found], dtype=float)
    inside = np.array([bool(held.covered) for held in found], dtype=float)
    widths = np.array([held.width or 0.0 for held in found])
    formulas = [held.formula for held in found]
    size, w = np.abs(errors), weights
    near, far = w * (1.0 - outside), w * outside
    statistics: dict[str, tuple[list[Array], Statistic]] = {
        "mae": ([w, w * size], _ratio),
        "rmse": ([w, w * errors**2], _root),
        "bias": ([w, w * errors], _ratio),
        "r2": ([w, w * labels, w * labels**2, w * errors**2], _determination),
        "coverage": ([w * made, w * inside], _ratio),
        "mean_width": ([w * made, w * widths], _ratio),
        "mae_in_domain": ([near, near * size], _ratio),
        "mae_out_of_domain": ([far, far * size], _ratio),
        "worth_of_domain": ([near, near * size, far, far * size], _difference),
    }
    result: dict[str, Any] = {
        "n": len(found),
        "n_formulas": len(set(formulas)),
        "n_out_of_domain": int(outside.sum()),
        "weight": float(w.sum()),
    }
    for name in only or statistics:
        columns, statistic = statistics[name]
        table = np.column_stack(columns) if len(found) else np.zeros((0, len(columns)))
        result[name], result[f"{name}_interval"] = estimate(table, formulas, statistic)
    return result


def summarise(found: Sequence[HeldOut]) -> dict[str, dict[str, Any]]:
    """Return the errors of each property: those of gapped surfaces, apart from near-metals and from sets.

    The errors of surfaces with a gap stand at the top; ``near_metals`` and ``sets`` (medians, labels of one of
    several surfaces) hold the same of theirs, or None.
    """
    summary = {}
    names = dict.fromkeys(held.name for held in found)
    known = [name for name in LABEL_UNITS if name in names]
    for name in dict.fromkeys([*known, *names]):
        own = [held for held in found if held.name == name]
        gapped = [held for held in own if not held.near_metal and not held.of_set]
        metallic = [held for held in own if held.near_metal]
        sets = [held for held in own if held.of_set]
        summary[name] = {"unit": own[0].unit, "level": own[0].level} | metrics(gapped)
        summary[name]["near_metals"] = metrics(metallic) if metallic else None
        summary[name]["sets"] = metrics(sets) if sets else None
    return summary


def error_rows(
    summary: Mapping[str, Mapping[str, Any]],
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield property, kind of label and errors, as tables show them; also those of cards of 0.2."""
    for name, of_property in summary.items():
        apart = [(kind, of_property.get(key)) for kind, key in APART]
        others = [(kind, errors) for kind, errors in apart if errors]
        if of_property["n"] or not others:
            # Summaries of before there were others are of slabs.
            yield name, SHOWN_LEVELS[of_property.get("level", "slab")], of_property
        for kind, errors in others:
            yield name, kind, errors


def with_bounds(errors: Mapping[str, Any], name: str, digits: int = 2) -> str:
    """Return a number with its 95 % interval, such as ``0.83 (0.68 to 1.00)``."""
    value, bounds = errors.get(name), errors.get(f"{name}_interval")
    if value is None:
        return "–"
    shown = f"{value:.{digits}f}"
    return f"{shown} ({bounds[0]:.{digits}f} to {bounds[1]:.{digits}f})" if bounds else shown
