"""Gaussian-type radial basis of SOAP, with dscribe's definition, so that spectra agree number by number.

dscribe (Himanen et al., Comput. Phys. Commun. 247, 106949 (2020), doi 10.1016/j.cpc.2019.106949)
expands the density of each species, a sum of Gaussians exp(-|r - r_j|^2 / (2 sigma^2)), in

    g_nl(r) = sum_n' beta_nn'l r^l exp(-alpha_n'l r^2),

where alpha_n'l makes the n'-th primitive decay to 1e-3 at one of n_max radii between 1 A and r_cut, and
beta orthonormalises them after Loewdin. The overlap of a primitive with a Gaussian at distance r_j is
analytic, so the coefficient of one neighbour is R_nl(r_j) Y_lm(direction of r_j) with

    R_nl(r) = sum_n' beta_nn'l (pi / (alpha + eta))^(3/2) (eta / (alpha + eta))^l r^l
              exp(-alpha eta r^2 / (alpha + eta)),     eta = 1 / (2 sigma^2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gamma

from surfalign.errors import ConfigurationError

DECAY_THRESHOLD = 1e-3
"""What a primitive has decayed to at its radius, and a neighbour's Gaussian at the padding."""

KNOT_SPACING = 0.05
"""Length of the pieces of the tabulated radial functions (A)."""
POLYNOMIAL_DEGREE = 5
"""Degree of the pieces: with it a radial function of sigma = 0.3 A errs by 2e-10 of the largest, and numbers of a
spectrum down to a millionth of the largest agree with dscribe within 1e-5. The table, 0.4 MB, stays in the second cache."""

Array = NDArray[np.float64]


def cutoff_padding(sigma: float) -> float:
    """Return how far beyond r_cut a neighbour's Gaussian still reaches inside (A).

    Parameters
    ----------
    sigma
        Width of the Gaussians (A).
    """
    return float(sigma * np.sqrt(-2.0 * np.log(DECAY_THRESHOLD)))


def gto_exponents(r_cut: float, n_max: int, l_max: int) -> Array:
    """Return the exponents alpha of the primitives (1/A^2), shape (l_max + 1, n_max).

    Parameters
    ----------
    r_cut
        Cut-off radius (A).
    n_max, l_max
        Number of radial functions; highest angular momentum.
    """
    radii = np.linspace(1.0, r_cut, n_max)
    degrees = np.arange(l_max + 1)[:, None]
    exponents: Array = -np.log(DECAY_THRESHOLD / radii**degrees) / radii**2
    return exponents


def gto_orthonormalisation(exponents: Array) -> Array:
    """Return beta, the symmetric inverse square root of the primitives' overlap, for each l.

    Parameters
    ----------
    exponents
        alpha, shape (l_max + 1, n_max), in 1/A^2.

    Returns
    -------
    Array
        Shape (l_max + 1, n_max, n_max).

    Raises
    ------
    ConfigurationError
        If the primitives are so alike that they cannot be orthonormalised.
    """
    matrices = []
    for degree, alpha in enumerate(exponents):
        sums = alpha[:, None] + alpha[None, :]
        overlap = 0.5 * gamma(degree + 1.5) * sums ** (-degree - 1.5)
        values, vectors = np.linalg.eigh(overlap)
        if values.min() <= 0.0:
            raise ConfigurationError(
                f"the {len(alpha)} radial functions of l = {degree} are linearly dependent",
                "independent radial functions",
                "lower n_max or raise r_cut",
            )
        matrices.append((vectors / np.sqrt(values)) @ vectors.T)
    return np.array(matrices)


def radial_integrals(
    distances: Array, *, r_cut: float, n_max: int, l_max: int, sigma: float
) -> Array:
    """Return R_nl of neighbours at the given distances, shape (n_distances, l_max + 1, n_max).

    Parameters
    ----------
    distances
        Distances of the neighbours (A), shape (n_distances,).
    r_cut, n_max, l_max, sigma
        dscribe's hyperparameters; lengths in A.
    """
    alpha = gto_exponents(r_cut, n_max, l_max)
    beta = gto_orthonormalisation(alpha)
    eta = 1.0 / (2.0 * sigma**2)
    degrees = np.arange(l_max + 1)[:, None]
    prefactors = (np.pi / (alpha + eta)) ** 1.5 * (eta / (alpha + eta)) ** degrees
    r = np.asarray(distances, dtype=float)[:, None, None]
    primitives = prefactors * r**degrees * np.exp(-alpha * eta / (alpha + eta) * r**2)
    integrals: Array = np.einsum("lnk,dlk->dln", beta, primitives)
    return integrals


@dataclass(frozen=True)
class RadialTable:
    """The radial functions as polynomials between knots.

    Attributes
    ----------
    coefficients
        Polynomial coefficients in the share of an interval, highest power first, shape (n_intervals,
        POLYNOMIAL_DEGREE + 1, l_max + 1, n_max).
    spacing
        Width of an interval (A).
    reach
        Distance up to which neighbours count, r_cut plus padding (A).
    """

    coefficients: Array
    spacing: float
    reach: float


def tabulate_radial_basis(*, r_cut: float, n_max: int, l_max: int, sigma: float) -> RadialTable:
    """Tabulate the radial functions between 0 and the reach of a neighbour.

    Parameters
    ----------
    r_cut, n_max, l_max, sigma
        dscribe's hyperparameters; lengths in A.
    """
    reach = r_cut + cutoff_padding(sigma)
    n_intervals = int(np.ceil(reach / KNOT_SPACING)) + 1
    # Both ends are nodes, so that the pieces join.
    nodes = 0.5 - 0.5 * np.cos(np.pi * np.linspace(0.0, 1.0, POLYNOMIAL_DEGREE + 1))
    distances = KNOT_SPACING * (np.arange(n_intervals)[:, None] + nodes)
    values = radial_integrals(distances.ravel(), r_cut=r_cut, n_max=n_max, l_max=l_max, sigma=sigma)
    by_node = values.reshape(n_intervals, len(nodes), -1)
    coefficients = np.linalg.solve(np.vander(nodes), by_node)
    shape = (n_intervals, len(nodes), l_max + 1, n_max)
    return RadialTable(np.ascontiguousarray(coefficients.reshape(shape)), KNOT_SPACING, reach)
