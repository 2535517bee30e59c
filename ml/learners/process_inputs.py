"""What a Gaussian process may be told: inputs of a slab, a crystal, an atom, or of the composition alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Composition, Structure

from surfalign.ml.descriptors import composition
from surfalign.ml.descriptors.physical import atom_inputs, crystal_inputs, physical_inputs

Array = NDArray[np.float64]

MISSING = "share of inputs that are missing"
"""Name of an input of its own, in the last group of the physical ones."""


class Inputs(StrEnum):
    """What is told."""

    PHYSICAL = "physical"
    CRYSTAL = "crystal"
    ATOM = "atom"
    COMPOSITION = "composition"


@dataclass(frozen=True)
class InputNames:
    """Inputs with the groups that the covariance is a sum over.

    Attributes
    ----------
    inputs
        Name of each column, group by group.
    groups
        Group to the number of its columns, in order.
    describe
        Gives the columns of slabs, shape (n_slabs, n_inputs); NaN where there is no number.
    of_formulas
        Whether compositions can be described as well as slabs.
    """

    inputs: tuple[str, ...]
    groups: dict[str, int]
    describe: Callable[[Sequence[Structure | Composition]], Array]
    of_formulas: bool = False

    def sizes(self, n_fidelities: int) -> tuple[int, ...]:
        """Return the number of columns of each group; several fidelities are one more group."""
        further = (n_fidelities - 1,) if n_fidelities > 1 else ()
        return (*self.groups.values(), *further)


def _physical(slabs: Sequence[Structure | Composition]) -> Array:
    """Return the physical inputs and the share of them that is missing."""
    return _with_missing(physical_inputs.physical_table(cast(Sequence[Structure], slabs)))


def _of_crystal(crystals: Sequence[Structure | Composition]) -> Array:
    """Return the inputs of crystals and the share of them that is missing."""
    return _with_missing(crystal_inputs.crystal_table(cast(Sequence[Structure], crystals)))


def _of_atom(structures: Sequence[Structure | Composition]) -> Array:
    """Return the inputs of the first atoms and the share of them that is missing."""
    return _with_missing(atom_inputs.atom_table(cast(Sequence[Structure], structures)))


def _with_missing(table: Array) -> Array:
    return np.column_stack([table, np.isnan(table).mean(axis=1)])


def _by_group(inputs: Sequence[physical_inputs.PhysicalInput]) -> dict[str, int]:
    """Return the number of inputs of each group; the share of missing ones is one more of the last."""
    groups = physical_inputs.GROUPS
    return {
        group: sum(one.group == group for one in inputs) + (group == groups[-1]) for group in groups
    }


def _of_composition(given: Sequence[Structure | Composition]) -> Array:
    """Return statistics of the elements' properties, those of the whole formula first."""
    found = [c.composition if isinstance(c, Structure) else c for c in given]
    table = [composition.composition_features(c)[_ORDER] for c in found]
    return np.array(table).reshape(len(found), len(_ORDER))


_SIDES = ("cation mean", "anion")
_FEATURES = composition.feature_names()
_SIDE_OF = [
    next((s for s in _SIDES if name.startswith(f"{s} of")), "formula") for name in _FEATURES
]
#: Columns of the features, group by group.
_ORDER = [k for side in ("formula", *_SIDES) for k, own in enumerate(_SIDE_OF) if own == side]

#: By what is told.
NAMES = {
    Inputs.PHYSICAL: InputNames(
        (*(one.name for one in physical_inputs.INPUTS), MISSING),
        _by_group(physical_inputs.INPUTS),
        _physical,
    ),
    Inputs.CRYSTAL: InputNames(
        (*(one.name for one in crystal_inputs.CRYSTAL_INPUTS), MISSING),
        _by_group(crystal_inputs.CRYSTAL_INPUTS),
        _of_crystal,
    ),
    Inputs.ATOM: InputNames(
        (*(one.name for one in atom_inputs.ATOM_INPUTS), MISSING),
        _by_group(atom_inputs.ATOM_INPUTS),
        _of_atom,
    ),
    Inputs.COMPOSITION: InputNames(
        tuple(_FEATURES[k] for k in _ORDER),
        {side: _SIDE_OF.count(side) for side in ("formula", *_SIDES)},
        _of_composition,
        of_formulas=True,
    ),
}
