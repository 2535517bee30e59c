"""Planar and macroscopic averages of the electrostatic potential of a slab, and where to read them.

Potentials are the potential energy of an electron (eV), so that eigenvalues and the vacuum level
compare directly. All profiles are periodic along the normal: a slab that is wrapped around the cell
boundary, or that sits anywhere in the cell, gives the same numbers.

References
----------
A. Baldereschi, S. Baroni, R. Resta, Phys. Rev. Lett. 61, 734 (1988),
doi:10.1103/PhysRevLett.61.734 (macroscopic average).
Y. Hinuma et al., Phys. Rev. B 95, 075302 (2017), doi:10.1103/PhysRevB.95.075302 (as used here).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surfalign.errors import PhysicsInputError

FloatArray = NDArray[np.float64]

#: Smallest number of grid planes that can describe an atomic layer.
_MINIMUM_PLANES = 8


@dataclass(frozen=True)
class PlanarProfile:
    """A periodic function of the height along the surface normal.

    Parameters
    ----------
    values
        Shape ``(n_planes,)``, eV; uniform planes, the first at height 0, endpoint excluded.
    period
        Length of the cell along the normal, angstrom.
    """

    values: FloatArray
    period: float

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=float)
        if values.ndim != 1 or values.size < _MINIMUM_PLANES:
            raise PhysicsInputError(
                f"a planar profile of shape {values.shape}",
                f"one dimension with at least {_MINIMUM_PLANES} planes",
                "pass the planar average, not the grid",
            )
        if not np.isfinite(values).all():
            raise PhysicsInputError(
                "a planar profile with NaN or infinite values",
                "finite values in eV",
                "look at the calculation that produced the potential",
            )
        if not self.period > 0:
            raise PhysicsInputError(
                f"a period of {self.period} angstrom", "a positive length", "pass the cell height"
            )
        object.__setattr__(self, "values", values)

    @property
    def heights(self) -> FloatArray:
        """Heights of the planes, shape ``(n_planes,)``, angstrom."""
        planes = np.arange(self.values.size, dtype=np.float64)
        return planes * self.period / self.values.size

    def at(self, heights: ArrayLike) -> FloatArray:
        """Interpolate (trigonometrically exact) at any heights, in the shape of ``heights``, eV."""
        coefficients = np.fft.rfft(self.values)
        weights = np.full(coefficients.size, 2.0)
        weights[0] = 1.0
        if self.values.size % 2 == 0:
            weights[-1] = 1.0  # the Nyquist term is a single cosine
        phase = (
            2j
            * np.pi
            / self.period
            * np.multiply.outer(np.asarray(heights, dtype=float), np.arange(coefficients.size))
        )
        series = np.exp(phase) @ (weights * coefficients)
        return np.asarray(series.real / self.values.size, dtype=float)

    def average(self, start: float, stop: float) -> float:
        """Mean over the heights from ``start`` to ``stop`` (angstrom, may wrap), eV."""
        return float(self.at(np.linspace(start, stop, 129)).mean())

    def spread(self, start: float, stop: float) -> float:
        """Maximum minus minimum from ``start`` to ``stop`` (angstrom, may wrap), eV."""
        return float(np.ptp(self.at(np.linspace(start, stop, 129))))


def planar_average(grid: ArrayLike, cell: ArrayLike) -> PlanarProfile:
    """Average a potential over the planes spanned by the first two cell vectors.

    The planes are parallel to ``a x b`` whatever the direction of ``c``, so non-orthogonal cells are
    exact: the period is the height of the cell, ``volume / |a x b|``.

    Parameters
    ----------
    grid
        Potential, shape ``(n_a, n_b, n_c)``, eV.
    cell
        Cell vectors as rows, shape ``(3, 3)``, angstrom.

    Raises
    ------
    PhysicsInputError
        When the shapes do not fit or the cell has no volume.
    """
    values = np.asarray(grid, dtype=float)
    vectors = np.asarray(cell, dtype=float)
    if values.ndim != 3 or vectors.shape != (3, 3):
        raise PhysicsInputError(
            f"a grid of shape {values.shape} in a cell of shape {vectors.shape}",
            "a (n_a, n_b, n_c) grid and a (3, 3) cell",
            "pass the potential on its regular grid",
        )
    return PlanarProfile(values.mean(axis=(0, 1)), cell_height(vectors))


def cell_height(cell: ArrayLike) -> float:
    """Height of a cell along the normal of its a-b plane, angstrom."""
    vectors = np.asarray(cell, dtype=float)
    normal = np.cross(vectors[0], vectors[1])
    area = float(np.linalg.norm(normal))
    height = abs(float(normal @ vectors[2])) / area if area > 0 else 0.0
    if not height > 0:
        raise PhysicsInputError(
            "a cell without volume", "three independent cell vectors", "check the lattice"
        )
    return height


def macroscopic_average(profile: PlanarProfile, window: float, times: int = 2) -> PlanarProfile:
    """Average a profile over a sliding window, ``times`` in succession.

    The running mean over ``window`` multiplies each Fourier coefficient by
    ``sin(x)/x, x = pi * k * window / period``; this is exact for any window, commensurate with the
    grid or not, and wraps around the cell.

    Parameters
    ----------
    profile
        Planar average.
    window
        One bulk repeat along the normal, angstrom.
    times
        How often the window is applied; twice is the convention (doi:10.1103/PhysRevLett.61.734).

    Raises
    ------
    PhysicsInputError
        When the window is not between zero and the period.
    """
    if not 0 < window < profile.period:
        raise PhysicsInputError(
            f"a window of {window} angstrom in a cell {profile.period:.3f} angstrom high",
            "a window larger than zero and smaller than the cell",
            "pass the bulk repeat along the normal, in angstrom",
        )
    coefficients = np.fft.rfft(profile.values)
    orders = np.arange(coefficients.size)
    filtered = coefficients * np.sinc(orders * window / profile.period) ** times
    return PlanarProfile(np.fft.irfft(filtered, n=profile.values.size), profile.period)


@dataclass(frozen=True)
class SlabRegions:
    """Where the slab and the vacuum are along the normal; heights in angstrom.

    ``bottom <= top`` always; they may lie outside ``[0, period)`` when the slab wraps.
    """

    bottom: float
    top: float
    period: float

    @property
    def slab_centre(self) -> float:
        """Height of the middle of the slab."""
        return 0.5 * (self.bottom + self.top)

    @property
    def slab_thickness(self) -> float:
        """Distance of the outermost atomic planes."""
        return self.top - self.bottom

    @property
    def vacuum_thickness(self) -> float:
        """Height without atoms."""
        return self.period - self.slab_thickness

    @property
    def vacuum_centre(self) -> float:
        """Height of the middle of the vacuum, above the slab."""
        return self.top + 0.5 * self.vacuum_thickness

    def distances_from_centre(self, heights: ArrayLike) -> FloatArray:
        """Distances of heights (angstrom, any wrapping) from the middle of the slab, angstrom."""
        apart = np.asarray(heights, dtype=float) - self.slab_centre + self.period / 2
        return np.asarray(np.abs(apart % self.period - self.period / 2))

    def vacuum_levels(self, profile: PlanarProfile) -> tuple[float, float]:
        """Levels below and above the middle of the vacuum, eV: its half farthest from the slab."""
        quarter, middle = self.vacuum_thickness / 4, self.vacuum_centre
        return profile.average(middle - quarter, middle), profile.average(middle, middle + quarter)


def slab_regions(atom_heights: ArrayLike, period: float) -> SlabRegions:
    """Find slab and vacuum: the vacuum is the largest empty interval of the periodic cell.

    Parameters
    ----------
    atom_heights
        Heights of the atoms along the normal, shape ``(n_sites,)``, angstrom; any wrapping.
    period
        Height of the cell, angstrom.

    Raises
    ------
    PhysicsInputError
        When there are no atoms.
    """
    heights = np.sort(np.mod(np.asarray(atom_heights, dtype=float), period))
    if heights.size == 0:
        raise PhysicsInputError("a slab without atoms", "at least one atom", "check the structure")
    gaps = np.diff(np.append(heights, heights[0] + period))
    below_vacuum = int(np.argmax(gaps))
    top = float(heights[below_vacuum])
    bottom = top + float(gaps[below_vacuum]) - period
    return SlabRegions(bottom, top, period)
