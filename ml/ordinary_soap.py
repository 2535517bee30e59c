"""Ordinary SOAP with fixed species, the baseline, in the interface of the learnable one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def dscribe_order(
    n_species: int, n_max: int, l_max: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return where dscribe's features stand in the full contraction, and their factors.

    dscribe runs over pairs of species Z <= Z', then l, then n and n'; pairs of one species keep
    n <= n' only. Each feature is pi sqrt(8 / (2 l + 1)) sum_m c c'.

    Parameters
    ----------
    n_species
        Number of species, one channel each, by ascending atomic number.
    n_max, l_max
        Size of the expansion.

    Returns
    -------
    columns, factors
        Shape (n_features,): a feature of dscribe is factors * full[:, columns].
    """
    n_rows = n_species * n_max
    columns, factors = [], []
    for first in range(n_species):
        for second in range(first, n_species):
            n, other = np.meshgrid(np.arange(n_max), np.arange(n_max), indexing="ij")
            kept = n <= other if first == second else np.ones_like(n, dtype=bool)
            pairs = (first * n_max + n[kept]) * n_rows + second * n_max + other[kept]
            for degree in range(l_max + 1):
                columns.append(degree * n_rows**2 + pairs)
                factors.append(np.full(len(pairs), np.pi * np.sqrt(8.0 / (2 * degree + 1))))
    return np.concatenate(columns), np.concatenate(factors)
