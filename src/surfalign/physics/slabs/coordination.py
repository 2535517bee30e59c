"""How much of its bulk coordination a surface has lost: a cheap look at a slab before any DFT.

Coordination is Hoppe's effective coordination number (ECoN; Z. Kristallogr. 150, 23 (1979),
doi:10.1524/zkri.1979.150.1-4.23): each neighbour of the other kind (anion against cation) counts
exp(1 - (d / d_mean)^6), where d_mean is the weighted mean distance, found by iteration. It needs no
cutoff radius and is exact for textbook polyhedra: 6 in rocksalt, 4 in wurtzite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element

from surfalign.physics.lattice.bond_network import ANIONS
from surfalign.physics.lattice.neighbours import neighbour_pairs
from surfalign.physics.lattice.symmetry import SymmetricCrystal
from surfalign.physics.slabs.enumeration import SurfaceSlab

#: Distance within which neighbours are looked for, angstrom.
REACH = 4.5
#: Loss of coordination from which an atom counts as a surface atom.
_NOTICEABLE = 0.1


@dataclass(frozen=True)
class AtomCoordination:
    """An atom of a slab that has lost neighbours.

    Attributes
    ----------
    element
        Symbol.
    depth
        Distance below the nearer face, angstrom.
    bulk, surface
        Effective coordination numbers.
    """

    element: str
    depth: float
    bulk: float
    surface: float


@dataclass(frozen=True)
class SurfaceCoordination:
    """What both faces of a slab have lost; the numbers are for one face.

    Attributes
    ----------
    atoms
        The atoms of one face that miss neighbours, the barest first.
    broken_bonds
        Missing neighbours of all atoms of one face, effective number.
    broken_bonds_per_area
        The same per area, 1/angstrom^2.
    lowest_ratio
        Smallest ratio of surface to bulk coordination.
    """

    atoms: list[AtomCoordination]
    broken_bonds: float
    broken_bonds_per_area: float
    lowest_ratio: float


def surface_coordination(surface: SurfaceSlab) -> SurfaceCoordination:
    """Compare the coordination of a slab's atoms with the bulk."""
    crystal = surface.crystal
    bulk, mean_distance = _bulk_coordination(crystal)
    lattice = np.zeros((2, 3))
    lattice[:, :2] = surface.in_plane
    pairs = neighbour_pairs(lattice, surface.positions, REACH)
    partners = _are_partners(crystal, surface.sites[pairs[1]], surface.sites[pairs[3]])
    origins = pairs[1][partners]
    weights = _weight(pairs[2][partners], mean_distance[surface.sites[origins]])
    here = np.bincount(origins, weights, surface.n_atoms)
    there = bulk[surface.sites]
    lost = np.maximum(there - here, 0.0)
    height = 0.5 * surface.slab_thickness
    atoms = [
        AtomCoordination(
            element=Element.from_Z(int(surface.numbers[i])).symbol,
            depth=float(height - surface.positions[i, 2]),
            bulk=float(there[i]),
            surface=float(here[i]),
        )
        for i in np.flatnonzero((lost > _NOTICEABLE) & (surface.positions[:, 2] > 0))
    ]
    broken = 0.5 * float(lost.sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = np.where(there > 0, here / there, 1.0)
    return SurfaceCoordination(
        atoms=sorted(atoms, key=lambda a: (round(a.surface / a.bulk, 6), a.element, a.depth)),
        broken_bonds=broken,
        broken_bonds_per_area=broken / surface.area,
        lowest_ratio=float(ratios.min()),
    )


def _bulk_coordination(
    crystal: SymmetricCrystal,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the effective coordination number and mean distance (angstrom) of each bulk site."""
    if "coordination" not in crystal.cache:
        positions = crystal.positions @ crystal.lattice
        _, origins, distances, targets = neighbour_pairs(crystal.lattice, positions, REACH)
        chosen = _are_partners(crystal, origins, targets)
        origins, distances = origins[chosen], distances[chosen]
        n_sites = len(crystal.numbers)
        mean = np.full(n_sites, np.inf)
        np.minimum.at(mean, origins, distances)
        for _ in range(50):
            weights = _weight(distances, mean[origins])
            total = np.bincount(origins, weights, n_sites)
            with np.errstate(invalid="ignore", divide="ignore"):
                better = np.bincount(origins, weights * distances, n_sites) / total
            change = np.nanmax(np.abs(better - mean), initial=0.0, where=np.isfinite(better))
            mean = np.where(np.isfinite(better), better, mean)
            if change < 1e-8:
                break
        total = np.bincount(origins, _weight(distances, mean[origins]), n_sites)
        crystal.cache["coordination"] = np.array([total, mean])
    total, mean = crystal.cache["coordination"]
    return total, mean


def _weight(distances: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Hoppe's weight exp(1 - (d / d_mean)^6)."""
    return np.asarray(np.exp(1.0 - (distances / mean) ** 6))


def _are_partners(
    crystal: SymmetricCrystal, first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether pairs of sites are an anion and a cation (any pair in a crystal without both)."""
    anion = np.array([Element.from_Z(int(z)).symbol in ANIONS for z in crystal.numbers])
    if anion.all() or not anion.any():
        return np.ones(len(first), dtype=bool)
    return np.asarray(anion[first] != anion[second])
