"""A Gaussian process whose covariance is a sum over groups of inputs.

Each group has a smooth part (rational quadratic) and a linear part, and the parts add: a sum lets the
process learn what the potential does and what the bonds do from few slabs each, and extrapolate along the
linear parts. One kernel on all inputs together does much worse on a few hundred slabs.

The inference is that of Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), algorithm
2.1 and equation 5.9, with weak priors on the hyperparameters. It is written out here because sums of
scikit-learn's kernels keep the gradient of the covariance with respect to every hyperparameter in memory
and copy it with each term; contracted at once, a step of the fit is several times faster and needs no more
memory than the covariance. GPyTorch would bring a second library of tensors to a few thousand rows, for
which exact inference on one core is enough. The tests hold it against scikit-learn, number by number.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

Array = NDArray[np.float64]

JITTER = 1e-8
"""Added to the variances of standardised labels, so that equal slabs can be factorised."""

OFFSET_VARIANCE = 1.0
"""Variance of a constant: the mean of the labels is not quite that of the truth."""

PRIOR_WIDTH = 3.0
"""Standard deviation of the priors of the hyperparameters' logarithms."""

LARGEST_DISTANCE = 5.0
"""Standardised inputs end here (standard deviations): beyond, a number says only that it is far."""

SMALLEST_WEIGHT = 1e-3
"""Lighter labels are taken for this light: their noise stays finite."""

#: Logarithms of variance, length and shape of the smooth part and of the variance of the linear one: where
#: the fit starts (the priors' centre), and their bounds. Columns are of deviation 1.
_START = np.log([0.3, 1.0, 1.0, 0.1])
_LOWEST = np.array([-9.0, -1.5, -2.0, -9.0])
_HIGHEST = np.array([3.0, 3.5, 4.0, 3.0])
#: The same of the noise's variance.
_NOISE = (float(np.log(0.2)), -5.0, 2.0)


@dataclass(frozen=True)
class AdditiveKernel:
    """The covariance of standardised labels.

    Its hyperparameters are a vector ``theta``, shape (4 * n_groups + 1,): for each group the logarithms of
    the variance, the length and the shape (alpha) of the smooth part and of the variance of the linear
    part; at last that of the variance of the noise of a label of weight 1.

    Attributes
    ----------
    sizes
        Number of columns of each group, in their order. Squared distances and products are divided by
        it, so that lengths and variances mean the same in groups of any size.
    """

    sizes: tuple[int, ...]

    def _groups(
        self, theta: Array, first: Array, second: Array
    ) -> Iterator[tuple[Array, Array, Array, Array]]:
        """Yield the parts of each group, shape (n_first, n_second) each.

        Reduced squared distances r, log(1 + r), the smooth part and the linear one.
        """
        stop = 0
        for size, own in zip(self.sizes, np.exp(theta[:-1]).reshape(-1, 4), strict=True):
            variance, length, shape, linear = own
            start, stop = stop, stop + size
            a, b = first[:, start:stop], second[:, start:stop]
            products = a @ b.T
            squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2.0 * products
            ratio = np.maximum(squares, 0.0) / (2.0 * size * shape * length**2)
            base = np.log1p(ratio)
            yield ratio, base, variance * np.exp(-shape * base), (linear / size) * products

    def covariance(self, theta: Array, first: Array, second: Array) -> Array:
        """Return the covariance of the truth at two tables of rows, shape (n_first, n_second)."""
        total = np.full((len(first), len(second)), OFFSET_VARIANCE)
        for _, _, smooth, linear in self._groups(theta, first, second):
            total += smooth + linear
        return total

    def variances(self, theta: Array, rows: Array) -> Array:
        """Return the variance of the truth at each row, shape (n_rows,)."""
        parameters = np.exp(theta[:-1]).reshape(-1, 4)
        total = np.full(len(rows), OFFSET_VARIANCE + parameters[:, 0].sum())
        parts = np.split(rows, np.cumsum(self.sizes)[:-1], axis=1)
        for part, linear in zip(parts, parameters[:, 3], strict=True):
            total += linear * (part**2).mean(axis=1)
        return total

    def likelihood(
        self, theta: Array, rows: Array, weights: Array, targets: Array
    ) -> tuple[float, Array]:
        """Return the logarithm of the marginal likelihood and its gradient, shape of ``theta``.

        Parameters
        ----------
        theta
            Hyperparameters.
        rows
            Inputs, shape (n, n_columns).
        weights
            Of the labels, shape (n,): the noise has the variance exp(theta[-1]) / weight.
        targets
            Standardised labels, shape (n,).
        """
        groups = list(self._groups(theta, rows, rows))
        noise = np.exp(theta[-1]) / weights
        covariance = np.full((len(rows), len(rows)), OFFSET_VARIANCE)
        for _, _, smooth, linear in groups:
            covariance += smooth + linear
        covariance[np.diag_indices_from(covariance)] += noise + JITTER
        factor = cholesky(covariance, lower=True)
        solution = cho_solve((factor, True), targets)
        value = -0.5 * targets @ solution - np.log(np.diag(factor)).sum()
        value -= 0.5 * len(targets) * np.log(2.0 * np.pi)
        slope = 0.5 * (np.outer(solution, solution) - cho_solve((factor, True), np.eye(len(rows))))
        gradient = []
        for (ratio, base, smooth, linear), shape in zip(groups, np.exp(theta[2:-1:4]), strict=True):
            own = slope * smooth
            inner = shape * np.vdot(own, ratio / (1.0 + ratio))
            gradient += [own.sum(), 2.0 * inner, inner - shape * np.vdot(own, base)]
            gradient.append(np.vdot(slope, linear))
        return float(value), np.array([*gradient, float(np.diag(slope) @ noise)])

    def labels_covariance(self, theta: Array, rows: Array, weights: Array) -> Array:
        """Return the covariance of labels, noise included, shape (n, n)."""
        covariance = self.covariance(theta, rows, rows)
        covariance[np.diag_indices_from(covariance)] += np.exp(theta[-1]) / weights + JITTER
        return covariance

    def fit(self, rows: Array, weights: Array, targets: Array, iterations: int) -> Array:
        """Return the most probable hyperparameters; parameters as for :meth:`likelihood`."""
        start = np.append(np.tile(_START, len(self.sizes)), _NOISE[0])
        lowest = np.append(np.tile(_LOWEST, len(self.sizes)), _NOISE[1])
        highest = np.append(np.tile(_HIGHEST, len(self.sizes)), _NOISE[2])

        def surprise(theta: Array) -> tuple[float, Array]:
            value, gradient = self.likelihood(theta, rows, weights, targets)
            away = (theta - start) / PRIOR_WIDTH
            return 0.5 * float(away @ away) - value, away / PRIOR_WIDTH - gradient

        found = minimize(
            surprise,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(lowest, highest, strict=True)),
            options={"maxiter": iterations},
        )
        return np.asarray(found.x)


class FittedProcess:
    """The process of one property.

    Parameters
    ----------
    sizes
        Number of columns of each group.
    parts
        ``centre``, ``scale``: of the inputs, shape (n_columns,). ``label_scale``: mean and standard
        deviation of the labels. ``theta``: of the kernel. ``rows``: standardised inputs, shape
        (n, n_columns). ``weights``, ``targets``: of the labels, standardised, shape (n,).
    """

    def __init__(self, sizes: tuple[int, ...], parts: Mapping[str, NDArray[Any]]) -> None:
        self._parts, self._kernel = dict(parts), AdditiveKernel(sizes)
        self._theta = np.asarray(parts["theta"])
        covariance = self._kernel.labels_covariance(self._theta, parts["rows"], parts["weights"])
        self._factor = cholesky(covariance, lower=True)
        self._solution = cho_solve((self._factor, True), parts["targets"])

    @classmethod
    def fit(
        cls,
        sizes: tuple[int, ...],
        table: Array,
        values: Array,
        weights: Array,
        *,
        rows_for_kernel: int,
        most_rows: int,
        iterations: int,
        seed: int,
    ) -> Self:
        """Fit to a table of inputs, NaN where there is none, and to labels.

        Parameters
        ----------
        sizes
            Number of columns of each group.
        table
            Inputs, shape (n, n_columns).
        values, weights
            Labels and their weights, shape (n,).
        rows_for_kernel, most_rows
            Rows that the kernel is fitted to and rows that predictions rest on, at most; drawn at random.
        iterations
            Steps of the fit of the kernel, at most.
        seed
            Of the draw.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a column without any number
            centre, scale = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
        centre = np.where(np.isfinite(centre), centre, 0.0)
        scale = np.where(scale > 1e-9, scale, 1.0)
        weights = np.maximum(weights, SMALLEST_WEIGHT)
        mean = float(np.average(values, weights=weights))
        deviation = float(np.sqrt(np.average((values - mean) ** 2, weights=weights))) or 1.0
        rows, targets = _standardised(table, centre, scale), (values - mean) / deviation
        order = np.random.default_rng(seed).permutation(len(rows))
        some = np.sort(order[:rows_for_kernel])
        kept = np.sort(order[:most_rows])
        return cls(
            sizes,
            {
                "centre": centre,
                "scale": scale,
                "label_scale": np.array([mean, deviation]),
                "theta": AdditiveKernel(sizes).fit(
                    rows[some], weights[some], targets[some], iterations
                ),
                "rows": rows[kept],
                "weights": weights[kept],
                "targets": targets[kept],
            },
        )

    @property
    def noise(self) -> float:
        """Standard deviation of a label of full weight from the truth, in the property's unit."""
        return float(np.exp(0.5 * self._theta[-1]) * self._parts["label_scale"][1])

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return what it is made of."""
        return dict(self._parts)

    def predict(self, table: Array) -> tuple[Array, Array]:
        """Return value and standard deviation of a label of full weight, shape (n,) each."""
        mean, deviation = self._parts["label_scale"]
        rows = self._rows(table)
        between = self._kernel.covariance(self._theta, rows, self._parts["rows"])
        reduced = solve_triangular(self._factor, between.T, lower=True)
        prior = self._kernel.variances(self._theta, rows)
        variances = np.maximum(prior - (reduced**2).sum(axis=0), 0.0) + np.exp(self._theta[-1])
        return mean + deviation * (between @ self._solution), deviation * np.sqrt(variances)

    def effects(self, row: Array) -> tuple[Array, Array]:
        """Return what the prediction loses when columns take their mean.

        Shape (n_columns,) for one at a time, and (n_groups,) for all of a group.
        """
        whole = self._rows(row[None, :])
        n_columns, sizes = whole.shape[1], self._kernel.sizes
        groups = np.repeat(np.arange(len(sizes)), sizes)
        removed = np.vstack([np.eye(n_columns), groups == np.arange(len(sizes))[:, None]])
        changed = np.where(removed > 0, 0.0, whole)
        between = self._kernel.covariance(
            self._theta, np.vstack([whole, changed]), self._parts["rows"]
        )
        values = between @ self._solution
        lost = self._parts["label_scale"][1] * (values[0] - values[1:])
        return lost[:n_columns], lost[n_columns:]

    def _rows(self, table: Array) -> Array:
        return _standardised(table, self._parts["centre"], self._parts["scale"])


def _standardised(table: Array, centre: Array, scale: Array) -> Array:
    """Return columns of mean 0 and deviation 1; what is missing is at the mean."""
    standard = np.clip((table - centre) / scale, -LARGEST_DISTANCE, LARGEST_DISTANCE)
    return np.asarray(np.nan_to_num(standard))
