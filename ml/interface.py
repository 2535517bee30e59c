"""What a model says of one slab; loads no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SurfacePrediction:
    """Prediction for one unrelaxed slab.

    Attributes
    ----------
    values
        Property to value, in the property's unit (eV; J/m^2 for the surface energy).
    attention
        Property to the weight of each atom in it, shape (n_sites,), summing to 1; empty for models
        that do not look at atoms.
    embedding
        Vector of the slab, shape (d,); None where the model has none.
    environments
        Vectors of the atoms, shape (n_sites, d); None where the model has none.
    """

    values: dict[str, float]
    attention: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    embedding: NDArray[np.float64] | None = None
    environments: NDArray[np.float64] | None = None
