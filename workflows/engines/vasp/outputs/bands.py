"""Band edges from eigenvalues and occupations, and what tells an insulator from a metal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pymatgen.io.vasp.outputs import Vasprun

from surfalign.errors import EngineError, MetallicError

#: Occupations nearer to zero or one are whole (Methfessel-Paxton overshoots by less in an insulator).
_WHOLE = 0.02
#: Electrons that may be missing from whole bands: digits of NELECT.
_ELECTRONS = 0.01


@dataclass(frozen=True)
class BandEdges:
    """Band edges on the k-points of a calculation, eV; k-points in reduced coordinates."""

    valence_band_maximum: float
    conduction_band_minimum: float
    valence_band_k_point: tuple[float, float, float]
    conduction_band_k_point: tuple[float, float, float]

    @property
    def band_gap(self) -> float:
        """Gap, eV; not positive for a metal."""
        return self.conduction_band_minimum - self.valence_band_maximum


def filled_bands(vasprun: Vasprun) -> tuple[int, ...]:
    """Return how many bands of each spin are filled, the same number at all k-points.

    Raises
    ------
    MetallicError
        When the numbers differ from k-point to k-point, occupations are fractional, or the whole bands do
        not hold all electrons: one k-point alone cannot show that bands cross.
    EngineError
        When eigenvalues cannot be read.
    """
    formula = vasprun.final_structure.composition.reduced_formula
    spins = _spins(vasprun)
    occupations = np.concatenate([levels[..., 1] for levels in spins], axis=1)
    counts = np.array([(levels[..., 1] > 0.5).sum(axis=1) for levels in spins])
    total = counts.sum(axis=0)
    if total.min() != total.max():
        raise _metallic(
            f"bands of {formula} cross the Fermi level: {total.min()} to {total.max()} occupied"
        )
    if (counts.min(axis=1) != counts.max(axis=1)).any():
        raise _metallic(f"bands of {formula} of both spins cross the Fermi level")
    weighted = np.asarray(vasprun.actual_kpoints_weights, dtype=float) > 0
    shares = occupations[weighted] if weighted.any() else occupations
    partial = shares[(shares > _WHOLE) & (shares < 1 - _WHOLE)]
    if partial.size:
        raise _metallic(
            f"{partial.size} occupations of {formula} are fractional (the first is {partial[0]:.2f})"
        )
    per_band = 2.0 if len(spins) == 1 and not _spinors(vasprun) else 1.0
    held, electrons = per_band * float(total[0]), vasprun.parameters.get("NELECT")
    if electrons is not None and abs(held - float(electrons)) > _ELECTRONS:
        raise _metallic(
            f"the whole bands of {formula} hold {held:g} of {float(electrons):g} electrons"
        )
    return tuple(int(count) for count in counts[:, 0])


def band_edges(vasprun: Vasprun, filled: tuple[int, ...] | None = None) -> BandEdges:
    """Return the band edges on the k-points of a calculation.

    Parameters
    ----------
    vasprun
        The calculation.
    filled
        Filled bands of each spin, where they are known better than by its own occupations: along a line
        of k-points the Fermi level is no one's.

    Raises
    ------
    MetallicError
        When it is no insulator on these k-points.
    """
    counts = filled_bands(vasprun) if filled is None else filled
    tops, bottoms = edge_levels(vasprun, counts)
    top, bottom = int(tops.argmax()), int(bottoms.argmin())
    points = vasprun.actual_kpoints
    edges = BandEdges(
        float(tops[top]), float(bottoms[bottom]), _vector(points[top]), _vector(points[bottom])
    )
    if not edges.band_gap > 0:
        formula = vasprun.final_structure.composition.reduced_formula
        raise _metallic(f"the gap of {formula} closes ({edges.band_gap:.3f} eV)")
    return edges


def edge_levels(
    vasprun: Vasprun, filled: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the highest filled and the lowest empty level at each k-point, eV, shape (n_k,) each."""
    spins = [levels[..., 0] for levels in _spins(vasprun)]
    if len(filled) != len(spins) or any(
        n >= s.shape[1] for n, s in zip(filled, spins, strict=True)
    ):
        raise EngineError(
            f"the calculation holds {spins[0].shape[1]} bands of {len(spins)} spins, and "
            f"{' and '.join(map(str, filled))} are filled",
            "an empty band above the filled ones of each spin",
            "repeat it with more bands (NBANDS)",
        )
    pairs = list(zip(filled, spins, strict=True))
    tops = [s[:, n - 1] if n else np.full(len(s), -np.inf) for n, s in pairs]
    return np.max(tops, axis=0), np.min([s[:, n] for n, s in pairs], axis=0)


def _spins(vasprun: Vasprun) -> list[NDArray[np.float64]]:
    """Levels of each spin, shape (n_k, n_bands, 2): eigenvalue in eV, occupation."""
    spins = [np.asarray(levels, dtype=float) for levels in (vasprun.eigenvalues or {}).values()]
    if not spins or not all(np.isfinite(levels).all() for levels in spins):
        what = "holds no eigenvalues" if not spins else "holds eigenvalues that cannot be read"
        raise EngineError(
            f"vasprun.xml {what}", "eigenvalues at all k-points", "repeat this calculation"
        )
    return spins


def _spinors(vasprun: Vasprun) -> bool:
    names = ("LNONCOLLINEAR", "LSORBIT")
    return any(bool(vasprun.parameters.get(name, False)) for name in names)


def _metallic(found: str) -> MetallicError:
    return MetallicError(
        found,
        "an insulator in every step",
        "leave this crystal out, or look at its occupations in vasprun.xml",
    )


def _vector(point: Any) -> tuple[float, float, float]:
    return cast("tuple[float, float, float]", tuple(float(x) for x in point))
