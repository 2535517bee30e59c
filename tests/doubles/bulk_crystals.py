"""Small crystals for tests of the engine's bulk steps: PBEsol lattice parameters of the structure type."""

from __future__ import annotations

from typing import Any

import numpy as np

from surfalign.workflows.engines.gpaw.settings import QUICK


def rocksalt(cation: str, lattice_parameter: float) -> dict[str, Any]:
    """Return the primitive cell as the engine's tasks take it (angstrom)."""
    half = lattice_parameter / 2
    return {
        "numbers": [{"Mg": 12, "Ca": 20}[cation], 8],
        "positions": [[0.0, 0.0, 0.0], [half, half, half]],
        "cell": (half * (np.ones((3, 3)) - np.eye(3))).tolist(),
    }


MGO = rocksalt("Mg", 4.2097)
CAO = rocksalt("Ca", 4.7686)

#: The quick preset on coarser meshes.
COARSE = QUICK.numerical() | {
    "hybrid_k_spacing": 0.7,
    "dielectric_k_spacing": 0.7,
    "k_spacing": 0.7,
}
