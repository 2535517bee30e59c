"""The level of a slab while it relaxes: the vacuum against the sites in the slab's centre."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymatgen.core import Structure

from surfalign.physics.levels.potential import PlanarProfile, slab_regions

#: Atoms this much farther from the centre than the last needed one still count, angstrom.
_RIM = 0.1


def central_atoms(slab: Structure) -> NDArray[np.bool_]:
    """Return which atoms make up the centre of a slab.

    It is the smallest part about the middle that holds every site of the bulk, and two planes at least,
    for a single plane that is held would leave the distances of all planes free. A slab that would have
    no other atoms keeps less: one plane, or none.

    Parameters
    ----------
    slab
        With the site property ``bulk_site``; without it, elements take its place.

    Returns
    -------
    numpy.ndarray
        Shape ``(n_atoms,)``.
    """
    period = float(slab.lattice.c)
    heights = slab.frac_coords[:, 2] * period
    centre = slab_regions(heights, period).slab_centre
    offsets = (heights - centre + period / 2) % period - period / 2
    distance, sites = np.abs(offsets), _sites(slab)
    whole = max(float(distance[sites == site].min()) for site in set(sites.tolist()))
    apart = distance[distance > _RIM]
    two_planes = float(apart.min()) if apart.size else 0.0
    for reach in (max(whole, two_planes), whole):
        inside = distance <= reach + _RIM
        if not inside.all():
            return np.asarray(inside)
    return np.zeros(len(slab), dtype=bool)


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
    quarter, middle = regions.vacuum_thickness / 4, regions.vacuum_centre
    vacuum = profile.average(middle - quarter, middle + quarter)
    inside, sites = central_atoms(slab), _sites(slab)
    if not inside.any():
        inside[:] = True
    values = np.asarray(site_potentials, dtype=float)
    by_site = [values[inside & (sites == site)].mean() for site in set(sites.tolist())]
    return vacuum - float(np.mean(by_site))


def _sites(slab: Structure) -> NDArray[np.int64]:
    known = slab.site_properties.get("bulk_site")
    return np.asarray(known if known is not None else [site.specie.Z for site in slab])
