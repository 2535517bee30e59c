"""The closed-form crystal behind ``stub_vasp``: what its IP and EA are, exactly. Needs numpy only.

Every atom carries a Gaussian well of the electron's potential energy, of integrated strength
``STRENGTH`` (eV angstrom^3). Outside, the potential is flat, so the potential step from the inside of a
slab to the vacuum is the sum of the strengths per volume of the bulk, whatever the surface::

    dV = sum(STRENGTH) / volume,    IP = dV - VBM(fraction),    EA = IP - (CBM - VBM)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

OXYGEN_STRENGTH, CATION_STRENGTH, WIDTH = 90.0, 87.0, 0.4  # eV angstrom^3, eV angstrom^3, angstrom
SITE_VALUE = {"O": -58.0}  # eV below the vacuum, at the sites; others: -34
SEMILOCAL_EDGES = (3.2, 8.0)  # eV above the average potential
EDGES_PER_FRACTION = (-2.0, 6.0)  # eV per fraction of exact exchange
SCREENED_SHARE = 0.6  # what a screened hybrid keeps of the fraction's effect
SELF_CONSISTENT_SHIFT = 0.2  # eV, of the CBM
SPIN_ORBIT_SHIFT = 0.1  # eV, of the VBM
DIELECTRIC_CONSTANT, WITHOUT_LOCAL_FIELDS = 3.05, 3.3
SURFACE_ENERGY = 0.05  # eV/angstrom^2
ENERGY_PER_ATOM = -5.0  # eV
STIFFNESS = 0.5  # eV/angstrom^6 per atom


@dataclass
class Crystal:
    """A cell: ``cell`` (3, 3) in angstrom, ``positions`` fractional (n, 3)."""

    cell: np.ndarray
    symbols: list[str]
    positions: np.ndarray

    @property
    def volume(self) -> float:
        return float(abs(np.linalg.det(self.cell)))

    @property
    def area(self) -> float:
        return float(np.linalg.norm(np.cross(self.cell[0], self.cell[1])))

    @property
    def height(self) -> float:
        return self.volume / self.area

    @property
    def vacuum(self) -> float:
        """Largest gap between atoms along the normal, angstrom."""
        heights = np.sort(self.positions[:, 2] % 1.0) * self.height
        return float(np.diff(np.append(heights, heights[0] + self.height)).max())

    @property
    def is_slab(self) -> bool:
        return self.vacuum > 7.0

    @property
    def centre(self) -> float:
        """Fractional height of the slab's middle."""
        heights = np.sort(self.positions[:, 2] % 1.0)
        gaps = np.diff(np.append(heights, heights[0] + 1.0))
        top = int(np.argmax(gaps))
        return float(heights[top] - (1.0 - gaps[top]) / 2)

    def n_electrons(self) -> int:
        return sum(6 if s == "O" else 2 for s in self.symbols)


def strength(symbol: str) -> float:
    return OXYGEN_STRENGTH if symbol == "O" else CATION_STRENGTH


def potential_step(symbols: Sequence[str], volume: float) -> float:
    """DV of any surface of the crystal with these atoms in this volume, eV."""
    return sum(strength(s) for s in symbols) / volume


def band_edges(
    fraction: float = 0.0,
    screened: bool = False,
    self_consistent: bool = False,
    spin_orbit: bool = False,
) -> tuple[float, float]:
    """VBM and CBM above the average potential, eV."""
    effect = fraction * (SCREENED_SHARE if screened else 1.0)
    vbm = SEMILOCAL_EDGES[0] + EDGES_PER_FRACTION[0] * effect
    cbm = SEMILOCAL_EDGES[1] + EDGES_PER_FRACTION[1] * effect
    if fraction and self_consistent:
        cbm += SELF_CONSISTENT_SHIFT
    return vbm + SPIN_ORBIT_SHIFT * spin_orbit, cbm


def expected_levels(
    symbols: Sequence[str], volume: float, fraction: float, **method: bool
) -> tuple[float, float]:
    """IP and EA of every surface, eV; ``method`` as in :func:`band_edges`."""
    vbm, cbm = band_edges(fraction, **method)
    step = potential_step(symbols, volume)
    return step - vbm, step - cbm


def ddh_fraction() -> float:
    return float(f"{1 / DIELECTRIC_CONSTANT:.2g}")


def grid_shape(crystal: Crystal) -> tuple[int, int, int]:
    """Coarse in the plane, where the model is a cosine; fine along the normal."""
    return 6, 6, 2 * math.ceil(crystal.height / 0.16)


def planar_average(crystal: Crystal, n_planes: int) -> np.ndarray:
    """Potential energy of an electron along the normal, vacuum at zero, shape (n_planes,), eV."""
    z = np.arange(n_planes) * crystal.height / n_planes
    values = np.zeros(n_planes)
    reach = math.ceil(8 * WIDTH / crystal.height)
    for symbol, w in zip(crystal.symbols, crystal.positions[:, 2] % 1.0, strict=True):
        for image in range(-reach, reach + 1):
            distance = z - (w + image) * crystal.height
            gauss = np.exp(-0.5 * (distance / WIDTH) ** 2) / (WIDTH * math.sqrt(2 * math.pi))
            values -= strength(symbol) / crystal.area * gauss
    return values


def potential(crystal: Crystal) -> tuple[np.ndarray, float]:
    """Potential on the grid with its average at zero, as VASP has it, and the vacuum level, eV."""
    shape = grid_shape(crystal)
    planar = planar_average(crystal, shape[2])
    x, y = (2 * np.pi * np.arange(n) / n for n in shape[:2])
    ripple = 1 + 0.4 * np.cos(x)[:, None] * np.cos(y)[None, :]
    vacuum_level = -float(planar.mean())
    return ripple[:, :, None] * planar[None, None, :] + vacuum_level, vacuum_level


def site_potentials(crystal: Crystal) -> np.ndarray:
    """At the sites, on the scale of :func:`potential`, shape (n,), eV."""
    level = potential_step(crystal.symbols, crystal.volume)  # of the average of this cell
    return np.array([SITE_VALUE.get(s, -34.0) + level for s in crystal.symbols])


def nearest_vectors(crystal: Crystal) -> np.ndarray:
    """The shortest lattice vectors (whole numbers): bands of their waves have the lattice's symmetry."""
    vectors = np.array(list(product((-2, -1, 0, 1, 2), repeat=3)), dtype=float)
    lengths = np.linalg.norm(vectors @ crystal.cell, axis=1)
    shortest = lengths[lengths > 0.1].min()
    return vectors[(lengths > 0.1) & (lengths < 1.01 * shortest)]


def eigenvalues(
    crystal: Crystal, k_points: np.ndarray, n_bands: int, edges: tuple[float, float], filled: int
) -> np.ndarray:
    """Eigenvalues and occupations, shape (n_k, n_bands, 2); both edges are at gamma."""
    f = np.cos(2 * np.pi * k_points @ nearest_vectors(crystal).T).mean(axis=1)
    bands = np.arange(n_bands)
    below = edges[0] - 0.5 * (1 - f)[:, None] - 0.3 * (filled - 1 - bands)[None, :]
    above = edges[1] + 0.8 * (1 - f)[:, None] + 0.4 * (bands - filled)[None, :]
    occupied = (bands < filled)[None, :] & np.ones((len(k_points), 1), dtype=bool)
    return np.stack([np.where(occupied, below, above), occupied.astype(float)], axis=-1)


def distortion(crystal: Crystal, isif: int) -> tuple[np.ndarray, float]:
    """What a relaxation has still to do: displacements (n, 3), angstrom, and strain.

    The targets are rounded numbers, so a relaxation that goes on from CONTCAR ends at the same place.
    """
    moves = np.zeros((len(crystal.symbols), 3))
    if crystal.is_slab:
        heights = (crystal.positions[:, 2] - crystal.centre + 0.5) % 1.0 - 0.5
        heights *= crystal.height
        outer = np.abs(heights) > np.abs(heights).max() - 0.3
        target = 0.1 * np.ceil(np.abs(heights) / 0.1 - 1e-3)
        normal = np.cross(crystal.cell[0], crystal.cell[1])
        normal *= np.sign(normal @ crystal.cell[2]) / np.linalg.norm(normal)
        gap = np.where(outer, np.sign(heights) * (target - np.abs(heights)), 0.0)
        moves = gap[:, None] * normal
    if isif < 3:
        return moves, 0.0
    per_atom = crystal.volume / len(crystal.symbols)
    return moves, (round(per_atom, 1) / per_atom) ** (1 / 3) - 1


def energy(crystal: Crystal) -> float:
    """Total energy, eV."""
    n = len(crystal.symbols)
    if crystal.is_slab:
        moves, _ = distortion(crystal, 2)
        return ENERGY_PER_ATOM * n + 2 * SURFACE_ENERGY * crystal.area + float((moves**2).sum())
    per_atom = crystal.volume / n
    return n * (ENERGY_PER_ATOM + 0.5 * STIFFNESS * (per_atom - round(per_atom, 1)) ** 2)
