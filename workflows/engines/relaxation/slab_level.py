"""The level of a slab while it relaxes: the vacuum against the sites in the slab's centre."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymatgen.core import Structure

from surfalign.physics.levels.potential import PlanarProfile, slab_regions

#: Atoms this much farther from the centre than the last needed one still count, angstrom.
_RIM = 0.1
#: A third plane is held only where so much stays free at each face, angstrom.
_FREE_DEPTH = 4.0


def innermost_planes(slab: Structure) -> NDArray[np.bool_]:
    """Return which atoms lie in the plane in the middle and the two about it, or in the inner two.

    Parameters
    ----------
    slab
        Normal along c.

    Returns
    -------
    numpy.ndarray
        Shape ``(n_atoms,)``; none where these would be all.
    """
    distance = _distances(slab)
    pairs = _distinct(distance[distance > _RIM])
    inside = distance <= (pairs[0] if pairs else 0.0) + _RIM
    return np.asarray(inside if not inside.all() else np.zeros(len(slab), dtype=bool))


def central_atoms(slab: Structure) -> NDArray[np.bool_]:
    """Return which atoms make up the centre of a slab.

    It is the smallest part about the middle that holds every site of the bulk, and three planes, or two
    where three would leave less than 4 angstrom at each face: a single plane that is held would leave the
    distances of all planes free, and beside two planes the averages in the middle still see them change.
    A slab that would have no other atoms keeps less: one plane, or none.

    Parameters
    ----------
    slab
        With the site property ``bulk_site``; without it, elements take its place.

    Returns
    -------
    numpy.ndarray
        Shape ``(n_atoms,)``.
    """
    distance = _distances(slab)
    sites = _sites(slab)
    whole = max(float(distance[sites == site].min()) for site in set(sites.tolist()))
    half = float(distance.max())
    # Planes lie in pairs about the middle, but for one in the middle itself.
    pairs = _distinct(distance[distance > _RIM])
    has_middle_plane = bool((distance <= _RIM).any())
    two = pairs[0] if pairs else 0.0
    three = two if has_middle_plane or len(pairs) < 2 else pairs[1]
    if half - max(whole, three) - _RIM < _FREE_DEPTH:
        three = two
    for reach in (max(whole, three), max(whole, two), whole):
        inside = distance <= reach + _RIM
        if not inside.all():
            return np.asarray(inside)
    return np.zeros(len(slab), dtype=bool)


def _distances(slab: Structure) -> NDArray[np.float64]:
    """Return how far each atom lies from the middle of the slab, angstrom."""
    period = float(slab.lattice.c)
    heights = slab.frac_coords[:, 2] * period
    return slab_regions(heights, period).distances_from_centre(heights)


def _distinct(distances: NDArray[np.float64]) -> list[float]:
    """Return the distances of planes from the middle, each once, the smallest first (angstrom)."""
    found: list[float] = []
    for distance in np.sort(distances):
        if not found or distance > found[-1] + _RIM:
            found.append(float(distance))
    return found


def slab_level(slab: Structure, planar_average: ArrayLike, site_potentials: ArrayLike) -> float:
    """Return the vacuum level against the potential at the central sites, eV.

    Against the bulk's site potentials this would be the potential step of the slab; here only its
    changes count.

    Parameters
    ----------
    slab
        Normal along c, with the site property ``bulk_site``.
    planar_average
        Shape ``(n_planes,)``, eV.
    site_potentials
        Shape ``(n_atoms,)``, eV.
    """
    profile = PlanarProfile(np.asarray(planar_average, dtype=float), float(slab.lattice.c))
    regions = slab_regions(slab.frac_coords[:, 2] * profile.period, profile.period)
    inside, sites = central_atoms(slab), _sites(slab)
    if not inside.any():
        inside[:] = True
    values = np.asarray(site_potentials, dtype=float)
    by_site = [values[inside & (sites == site)].mean() for site in set(sites.tolist())]
    return float(np.mean(regions.vacuum_levels(profile)) - np.mean(by_site))


def _sites(slab: Structure) -> NDArray[np.int64]:
    known = slab.site_properties.get("bulk_site")
    return np.asarray(known if known is not None else [site.specie.Z for site in slab])
