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

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky
from scipy.optimize import minimize

Array = NDArray[np.float64]

JITTER = 1e-8
"""Added to the variances of standardised labels, so that equal slabs can be factorised."""

OFFSET_VARIANCE = 1.0
"""Variance of a constant: the mean of the labels is not quite that of the truth."""

PRIOR_WIDTH = 3.0
"""Standard deviation of the priors of the hyperparameters' logarithms."""

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

    def _groups(self, first: Array, second: Array) -> Iterator[tuple[Array, Array]]:
        """Yield squared distances and products of each group, shape (n_first, n_second)."""
        stop = 0
        for size in self.sizes:
            start, stop = stop, stop + size
            a, b = first[:, start:stop], second[:, start:stop]
            products = a @ b.T
            squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2.0 * products
            yield np.maximum(squares, 0.0) / size, products / size

    def covariance(self, theta: Array, first: Array, second: Array) -> Array:
        """Return the covariance of the truth at two tables of rows, shape (n_first, n_second)."""
        total = np.full((len(first), len(second)), OFFSET_VARIANCE)
        parameters = np.exp(theta[:-1]).reshape(-1, 4)
        for (squares, products), own in zip(self._groups(first, second), parameters, strict=True):
            variance, length, shape, linear = own
            base = np.log1p(squares / (2.0 * shape * length**2))
            total += variance * np.exp(-shape * base) + linear * products
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
        factor = cholesky(self.labels_covariance(theta, rows, weights), lower=True)
        solution = cho_solve((factor, True), targets)
        value = -0.5 * targets @ solution - np.log(np.diag(factor)).sum()
        value -= 0.5 * len(targets) * np.log(2.0 * np.pi)
        slope = 0.5 * (np.outer(solution, solution) - cho_solve((factor, True), np.eye(len(rows))))
        gradient = []
        parameters = np.exp(theta[:-1]).reshape(-1, 4)
        for (squares, products), own in zip(self._groups(rows, rows), parameters, strict=True):
            variance, length, shape, linear = own
            ratio = squares / (2.0 * shape * length**2)
            base = np.log1p(ratio)
            smooth = slope * (variance * np.exp(-shape * base))
            inner = ratio / (1.0 + ratio)
            by_length = 2.0 * shape * np.vdot(smooth, inner)
            by_shape = shape * (np.vdot(smooth, inner) - np.vdot(smooth, base))
            gradient += [smooth.sum(), by_length, by_shape, linear * np.vdot(slope, products)]
        noise = np.exp(theta[-1]) / weights
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
