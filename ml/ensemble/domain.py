"""The domain of a model: is a surface like those that it learned from.

Each atom is described by itself and by its neighbourhood with a few plain numbers; the distance to the
nearest atom of the training set, averaged over the atoms of a slab, is the slab's score. A slab with an
element that the training set lacks, or with a score beyond a threshold, is outside of the domain: its
prediction is shown, and flagged. The description does not depend on the model, so that scores of
different models can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure
from scipy.spatial import KDTree

from surfalign.errors import EmptyDatasetError
from surfalign.ml.descriptors.composition import PROPERTIES, element_vector
from surfalign.ml.descriptors.element_properties import atomic_radius
from surfalign.ml.properties.property import Level

if TYPE_CHECKING:
    from surfalign.ml.data.datasets import FrozenDataset

#: Reach of a neighbourhood, angstrom.
CUTOFF = 5.0
#: Element properties that enter, with the scale on which they matter.
_SCALES = {
    "row": 1.0,
    "group": 4.0,
    "electronegativity": 0.5,
    "atomic_radius": 0.4,
    "p_valence": 2.0,
    "d_valence": 4.0,
    "f_valence": 5.0,
}
_COLUMNS = [PROPERTIES.index(name) for name in _SCALES]
_DIVISORS = np.array(list(_SCALES.values()))
#: Steps to which environments are rounded before equal ones are merged.
_ROUNDING = 3


def atomic_descriptions(structure: Structure) -> NDArray[np.float32]:
    """Describe each atom by itself and its neighbourhood, shape (n_sites, 2 * n_properties + 3).

    The properties of the atom; their average over the neighbours, weighted by a smooth function of
    distance over the sum of the radii; a coordination number; the average reduced distance and its
    spread. Invariant to rotation, translation, permutation and lateral supercells.
    """
    symbols = [site.species.element_composition.elements[0].symbol for site in structure]
    own = np.array([element_vector(symbol)[_COLUMNS] for symbol in symbols]) / _DIVISORS
    radii = np.array([atomic_radius(symbol) for symbol in symbols])
    i, j, _, distance = structure.get_neighbor_list(CUTOFF)
    reduced = distance / (radii[i] + radii[j])
    # One at a bond length, a half at one and a half, nothing far beyond; zero at the cut-off.
    weight = (
        np.exp(-((reduced / 1.5) ** 6) * np.log(2)) * np.cos(0.5 * np.pi * distance / CUTOFF) ** 2
    )
    n = len(structure)
    total = np.bincount(i, weight, n)
    safe = np.maximum(total, 1e-6)
    around = np.column_stack(
        [np.bincount(i, weight * own[j, k], n) / safe for k in range(own.shape[1])]
    )
    mean = np.bincount(i, weight * reduced, n) / safe
    spread = np.sqrt(np.maximum(np.bincount(i, weight * reduced**2, n) / safe - mean**2, 0.0))
    geometry = np.column_stack([np.log1p(total) / 0.25, mean / 0.15, spread / 0.15])
    return np.column_stack([own, around, geometry]).astype(np.float32)


def level_descriptions(structure: Structure, level: Level) -> NDArray[np.float32]:
    """Describe the atoms that a level is about: all of a structure, or its first one alone."""
    described = atomic_descriptions(structure)
    return described[:1] if level is Level.ATOM else described


#: Descriptions of the data set that was asked for last, by its digest: training asks several times.
_LAST: dict[str, list[NDArray[np.float32]]] = {}


def described(dataset: FrozenDataset) -> list[NDArray[np.float32]]:
    """Return the descriptions of the slabs of a data set; computed once."""
    if dataset.digest not in _LAST:
        _LAST.clear()
        _LAST[dataset.digest] = [level_descriptions(r.structure, r.level) for r in dataset.records]
    return _LAST[dataset.digest]


@dataclass(frozen=True)
class Domain:
    """The atoms of a training set, and how far is too far.

    Attributes
    ----------
    descriptions
        Distinct atoms of the training set, shape (n, n_features).
    elements
        Its elements.
    threshold
        Largest score inside of the domain; infinite before it is set.
    """

    descriptions: NDArray[np.float32]
    elements: frozenset[str]
    threshold: float = np.inf

    @classmethod
    def of(cls, described: Sequence[NDArray[np.float32]], elements: frozenset[str]) -> Self:
        """Make the domain of a training set from the descriptions of its slabs.

        Raises
        ------
        EmptyDatasetError
            When there is no slab.
        """
        if not described:
            raise EmptyDatasetError("a domain of no slab", "at least one training slab")
        merged = np.unique(np.round(np.concatenate(described), _ROUNDING), axis=0)
        return cls(merged.astype(np.float32), elements)

    def scores(
        self, described: Sequence[NDArray[np.float32]], workers: int = 1
    ) -> NDArray[np.float64]:
        """Return the mean distance of each slab's atoms to the training set, shape (n_slabs,).

        Parameters
        ----------
        described
            Descriptions of the atoms of each slab.
        workers
            Threads.
        """
        if not described:
            return np.zeros(0)
        ends = np.cumsum([len(atoms) for atoms in described])
        distances, _ = self._tree.query(np.concatenate(described), workers=workers)
        return np.array([float(np.mean(own)) for own in np.split(distances, ends[:-1])])

    @cached_property
    def _tree(self) -> KDTree:
        return KDTree(self.descriptions)

    def contains(
        self, structures: Sequence[Structure], scores: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Tell which slabs are inside, shape (n_slabs,)."""
        known = [
            {e.symbol for e in s.composition.element_composition.elements} <= self.elements
            for s in structures
        ]
        return np.array(known, dtype=bool) & (scores <= self.threshold)

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return the arrays to store."""
        return {"domain.descriptions": self.descriptions}

    def metadata(self) -> dict[str, object]:
        """Return what else is to be stored."""
        finite = float(self.threshold) if np.isfinite(self.threshold) else None
        return {"elements": sorted(self.elements), "threshold": finite}

    @classmethod
    def restore(
        cls, metadata: Mapping[str, object], tensors: Mapping[str, NDArray[np.float32]]
    ) -> Self:
        """Rebuild what :meth:`tensors` and :meth:`metadata` gave."""
        threshold = metadata["threshold"]
        elements = metadata["elements"]
        return cls(
            tensors["domain.descriptions"],
            frozenset(map(str, elements)) if isinstance(elements, list) else frozenset(),
            float(threshold) if isinstance(threshold, int | float) else np.inf,
        )
