"""Vectors of slabs in which distances mean something: scaled, without constant columns, few."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from surfalign.errors import SurfaceError
from surfalign.ml.data.records import SurfaceRecord
from surfalign.ml.descriptors.composition import composition_features
from surfalign.ml.descriptors.slab_geometry import slab_geometry
from surfalign.ml.ensemble.domain import atomic_descriptions

#: Most directions that are kept.
DIRECTIONS = 16
#: A column that varies by less than this share of its size is constant, in single precision too.
CONSTANT = 1e-5


def structural_vectors(records: Sequence[SurfaceRecord]) -> NDArray[np.float64]:
    """Describe slabs without a model, shape (n, n_features).

    The composition, and the mean description of the atoms within 2 angstrom of a surface.

    Raises
    ------
    UnknownElementError
        When a site holds no chemical element.
    """
    rows = []
    for record in records:
        atoms = np.asarray(atomic_descriptions(record.structure), dtype=np.float64)
        try:
            depths = slab_geometry(
                record.structure.frac_coords, record.structure.lattice.matrix
            ).depths
        except SurfaceError:
            depths = np.zeros(len(atoms))  # no vacuum: all atoms count
        rows.append(
            np.concatenate(
                [
                    composition_features(record.structure.composition),
                    atoms[depths < 2.0].mean(axis=0),
                    atoms.mean(axis=0),
                ]
            )
        )
    return np.array(rows)


def scaled(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return vectors with distances that count each varying column alike, shape (n, <= 16).

    Constant columns go; which these are does not depend on the precision of the numbers. The others are
    scaled to unit deviation and turned into their principal directions, which keep most distances.
    """
    table = np.asarray(vectors, dtype=np.float64)
    deviation = table.std(axis=0)
    varying = deviation > CONSTANT * np.maximum(np.abs(table).max(axis=0, initial=0.0), 1e-12)
    if not varying.any():
        return np.zeros((len(table), 1))
    table = (table[:, varying] - table[:, varying].mean(axis=0)) / deviation[varying]
    left, sizes, _ = np.linalg.svd(table, full_matrices=False)
    kept = sizes > 1e-9 * sizes[0]
    return np.asarray((left * sizes)[:, kept][:, :DIRECTIONS])
