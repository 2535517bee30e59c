"""A tensor of the oxides that exist, completed: which ones are missing that look as if they should exist.

The tensor has a place for each first cation, second cation and stoichiometry, 1 where an oxide is listed.
Its Tucker decomposition of low rank cannot copy it; what it puts on empty places says which of them are like
the full ones. A. Seko, H. Hayashi, H. Kashima, I. Tanaka, Phys. Rev. Mater. 2, 013805 (2018),
doi:10.1103/PhysRevMaterials.2.013805. Both orders of the cations are filled in, so that the order does not
matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from surfalign.errors import LearnerError, MissingDependencyError
from surfalign.ml.recommendation.compositions import TernaryOxide, oxidation_states

Array = NDArray[np.float64]
#: Atoms of the first cation, of the second one, and of oxygen in the formula.
Stoichiometry = tuple[int, int, int]
#: No cation has a higher oxidation state.
HIGHEST_STATE = 8
#: Numbers of components for the first cation, the second and the stoichiometry.
Rank = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class CompositionTensor:
    """Which oxides are listed, by cations and stoichiometry.

    Attributes
    ----------
    elements
        Cations, sorted.
    stoichiometries
        All that are listed, in both orders of the cations.
    listed
        1 where an oxide is listed, shape (n_elements, n_elements, n_stoichiometries).
    """

    elements: tuple[str, ...]
    stoichiometries: tuple[Stoichiometry, ...]
    listed: Array

    @classmethod
    def of(cls, oxides: Sequence[TernaryOxide]) -> CompositionTensor:
        """Fill the tensor with listed oxides."""
        elements = sorted({symbol for oxide in oxides for symbol in oxide.cations})
        both: list[tuple[str, str, Stoichiometry]] = []
        for oxide in oxides:
            (first, second), (n_first, n_second) = oxide.cations, oxide.numbers
            both.append((first, second, (n_first, n_second, oxide.n_oxygen)))
            both.append((second, first, (n_second, n_first, oxide.n_oxygen)))
        stoichiometries = sorted({numbers for _, _, numbers in both})
        place = {symbol: i for i, symbol in enumerate(elements)}
        column = {numbers: k for k, numbers in enumerate(stoichiometries)}
        listed = np.zeros((len(elements), len(elements), len(stoichiometries)))
        for first, second, numbers in both:
            listed[place[first], place[second], column[numbers]] = 1.0
        return cls(tuple(elements), tuple(stoichiometries), listed)

    @cached_property
    def candidates(self) -> NDArray[np.int64]:
        """Places of the neutral oxides that are not listed, each once, shape (n_candidates, 3)."""
        states = np.array(
            [[s in oxidation_states(e) for s in range(HIGHEST_STATE + 1)] for e in self.elements],
            dtype=float,
        )
        charges = np.arange(HIGHEST_STATE + 1)
        once = np.triu(np.ones(self.listed.shape[:2], dtype=bool), 1)
        free = (self.listed == 0) & once[:, :, None]
        for k, (first, second, oxygen) in enumerate(self.stoichiometries):
            balanced = np.add.outer(first * charges, second * charges) == 2 * oxygen
            free[:, :, k] &= states @ balanced @ states.T > 0
        return np.argwhere(free)

    def oxide(self, place: Sequence[int]) -> TernaryOxide:
        """Return the oxide of a place."""
        i, j, k = place
        first, second, oxygen = self.stoichiometries[k]
        return TernaryOxide((self.elements[i], self.elements[j]), (first, second), oxygen)

    def scores(self, filled: Array) -> Array:
        """Read a filled tensor for the candidates: the mean of both orders of the cations."""
        column = {numbers: k for k, numbers in enumerate(self.stoichiometries)}
        swapped = np.array([column[second, first, o] for first, second, o in self.stoichiometries])
        i, j, k = self.candidates.T
        return np.asarray((filled[i, j, k] + filled[j, i, swapped[k]]) / 2)


def completed(tensor: CompositionTensor, rank: Rank) -> Array:
    """Return the Tucker decomposition of the tensor, multiplied out.

    Parameters
    ----------
    tensor
        What is listed.
    rank
        Components; more than a side has places are cut to that.

    Raises
    ------
    MissingDependencyError
        When tensorly is not installed.
    LearnerError
        When a number of components is not positive.
    """
    if min(rank) < 1:
        raise LearnerError(
            f"rank {rank}", "three positive numbers", "ask for at least one component"
        )
    try:
        from tensorly import tucker_to_tensor
        from tensorly.decomposition import tucker
    except ImportError as error:
        raise MissingDependencyError(
            "tensorly is not installed", "the package tensorly", "pip install 'surfalign[ml]'"
        ) from error
    sides = tuple(min(r, side) for r, side in zip(rank, tensor.listed.shape, strict=True))
    decomposed = tucker(tensor.listed, rank=sides, init="svd", n_iter_max=100, tol=1e-6)
    return np.asarray(tucker_to_tensor(decomposed))


def popularity(tensor: CompositionTensor) -> Array:
    """Return how often the cations and the stoichiometry are listed at all, multiplied: the baseline."""
    cations = tensor.listed.sum(axis=(1, 2))
    numbers = tensor.listed.sum(axis=(0, 1))
    return np.asarray(cations[:, None, None] * cations[None, :, None] * numbers)
