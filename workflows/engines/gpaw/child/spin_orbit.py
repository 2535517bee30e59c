"""What spin-orbit coupling changes in band edges (child side).

The coupling is diagonalised in the PBEsol orbitals of the mesh, without self-consistency, by GPAW. Their empty
levels are first moved up by what the hybrid opens the gap, because the coupling of states across the gap counts
by one over their distance, and in PbS the PBEsol gap would close.

GPAW 26.7 takes the coupling of Pauli, (1/4 c^2) (1/r) dV/dr L.S in atomic units. Near a heavy nucleus that is too
much: with the scalar-relativistic mass M = 1 - V/(2 c^2) of the electron it is divided by M^2 (D. D. Koelling and
B. N. Harmon, J. Phys. C 10, 3107 (1977), doi:10.1088/0022-3719/10/16/019), as VASP does (S. Steiner et al., Phys.
Rev. B 93, 224425 (2016), doi:10.1103/PhysRevB.93.224425).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Levels nearer than this are one multiplet that the coupling splits, eV.
_MULTIPLET = 0.02


@dataclass(frozen=True)
class SpinOrbitChange:
    """Change of the edges, eV, and what the coupling splits.

    Attributes
    ----------
    valence, conduction
        Change of the VBM and of the CBM.
    splitting
        Distance of the levels that a threefold VBM is split into; None where the VBM is not threefold.
    """

    valence: float
    conduction: float
    splitting: float | None

    def fields(self) -> dict[str, Any]:
        """Return the fields of ``BandEdgesDocument``."""
        return {
            "spin_orbit": True,
            "spin_orbit_valence_change": self.valence,
            "spin_orbit_conduction_change": self.conduction,
            "spin_orbit_splitting": self.splitting,
        }


def spin_orbit_change(calculator: Any, n_occupied: int, scissor: float) -> SpinOrbitChange:
    """Compute the change of the band edges by spin-orbit coupling.

    Parameters
    ----------
    calculator
        Converged, its k-points those of a mesh.
    n_occupied
        Doubly occupied bands.
    scissor
        How much wider the gap is than that of the calculator, eV.
    """
    from gpaw.spinorbit import soc_eigenstates

    levels = calculator.eigenvalues().copy()  # (1, n_k, n_bands)
    levels[:, :, n_occupied:] += scissor
    with _relativistic_mass():
        states = soc_eigenstates(calculator, n1=0, n2=levels.shape[2], eigenvalues=levels)
    split = np.asarray(states.eigenvalues())  # (n_k of the whole zone, 2 n_bands)
    tops = split[:, 2 * n_occupied - 1]
    return SpinOrbitChange(
        valence=float(tops.max() - levels[0, :, n_occupied - 1].max()),
        conduction=float(split[:, 2 * n_occupied].min() - levels[0, :, n_occupied].min()),
        splitting=_splitting(levels[0], split[int(tops.argmax())], n_occupied),
    )


@contextmanager
def _relativistic_mass() -> Iterator[None]:
    """Let GPAW's coupling fall near the nuclei; may go when a release of GPAW includes the mass."""
    from gpaw import spinorbit

    derivative = spinorbit.get_radial_potential_derivative

    def divided(setup: Any, *arguments: Any) -> NDArray[np.float64]:
        slope: NDArray[np.float64] = derivative(setup, *arguments)
        steps = setup.xc_correction.rgd.dr_g[: len(slope)]
        # The potential rises from the nucleus to about zero at the end of the sphere, hartree.
        rises = slope * steps
        potential = 0.5 * rises - np.cumsum(rises[::-1])[::-1]
        return np.asarray(slope / (1.0 - 0.5 * spinorbit.alpha**2 * potential) ** 2)

    spinorbit.get_radial_potential_derivative = divided
    try:
        yield
    finally:
        spinorbit.get_radial_potential_derivative = derivative


def _splitting(
    levels: NDArray[np.float64], split: NDArray[np.float64], n_occupied: int
) -> float | None:
    """Return how far a threefold VBM is split, eV; the sixfold level has four states on top of two."""
    multiplet = levels[int(levels[:, n_occupied - 1].argmax()), :n_occupied][-4:]
    near = multiplet[-1] - multiplet < _MULTIPLET
    if near.sum() != 3:
        return None
    return float(split[2 * n_occupied - 1] - split[2 * n_occupied - 6])
