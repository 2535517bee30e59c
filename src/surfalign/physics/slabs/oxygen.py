"""Reduced and oxidised slabs: the outermost oxygen taken from a stoichiometric slab, or more put on it.

Both faces are changed alike, by the operation that turns the slab upside down, so that the slab keeps one
vacuum level and no dipole. What is taken are all oxygen atoms of the outermost atomic plane. What is put
on are the oxygen atoms of the plane that would come next in the crystal: the places where an ion of the
surface misses its oxygen. Only whole planes of the in-plane cell: coverages in between need larger cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from surfalign.physics.slabs.slab_builder import cut_between
from surfalign.physics.slabs.surface_slab import SurfaceSlab

OXYGEN = 8
#: What the names of such slabs end with.
REDUCED, OXIDISED = "-reduced", "-oxidised"
#: An added atom counts as bonded up to this multiple of the shortest bond of the same elements.
_STRETCH = 1.25
#: Heights of one plane are told apart by more than this, angstrom.
_SAME_HEIGHT = 1e-3


def with_oxygen_variants(slabs: Sequence[SurfaceSlab]) -> list[SurfaceSlab]:
    """Return slabs, each followed by its reduced and its oxidised form where it has them."""
    return [one for slab in slabs for one in (slab, *oxygen_variants(slab))]


def oxygen_variants(slab: SurfaceSlab) -> list[SurfaceSlab]:
    """Return the reduced and the oxidised form of a stoichiometric slab, as far as they exist.

    There is no reduced form where the outermost plane holds no oxygen, and no oxidised one where the next
    plane of the crystal holds none that an ion of the surface would bind (layers held by weak forces), or
    where the surface is striped (type C).
    """
    if slab.excess_oxygen:
        return []
    return [made for made in (_reduced(slab), _oxidised(slab)) if made is not None]


def asks_for_oxygen(name: str) -> bool:
    """Ask whether the name of a surface is that of a reduced or an oxidised one."""
    return name.endswith((REDUCED, OXIDISED))


def stoichiometric_name(name: str) -> str:
    """Return the name of the surface that a reduced or an oxidised one was made of."""
    return name.removesuffix(REDUCED).removesuffix(OXIDISED)


def _reduced(slab: SurfaceSlab) -> SurfaceSlab | None:
    plane = slab.termination.plane
    depth = (plane.top - plane.bottom) * slab.termination.oriented.spacing + _SAME_HEIGHT
    heights = np.abs(slab.positions[:, 2])
    taken = (slab.numbers == OXYGEN) & (heights >= heights.max() - depth)
    if not taken.any() or taken.all():
        return None
    return replace(
        slab,
        name=slab.name + REDUCED,
        positions=slab.positions[~taken],
        sites=slab.sites[~taken],
        excess_oxygen=-int(taken.sum()),
    )


def _oxidised(slab: SurfaceSlab) -> SurfaceSlab | None:
    if slab.pattern is not None:
        return None
    termination, oriented = slab.termination, slab.termination.oriented
    planes, outermost = termination.planes, termination.outermost
    # Of the plane that would come next, in units of the spacing above the outermost atom.
    above = planes[(outermost + 1) % len(planes)].top + (outermost + 1) // len(planes)
    rise = above - termination.plane.top
    high = (oriented.center or 0.0) + termination.plane.top
    low = high - slab.slab_thickness / oriented.spacing
    larger = cut_between(oriented, np.eye(2, dtype=np.int64), low - rise, high + rise)
    positions, numbers = larger.positions.copy(), slab.crystal.numbers[larger.sites]
    positions[:, 2] -= 0.5 * (positions[0, 2] + positions[-1, 2])
    outside = np.abs(positions[:, 2]) > 0.5 * slab.slab_thickness + _SAME_HEIGHT
    added = outside & (numbers == OXYGEN)
    if not added.any() or not _are_bonded(slab, positions[added]):
        return None
    kept = added | ~outside
    return replace(
        slab,
        name=slab.name + OXIDISED,
        in_plane=larger.in_plane,
        positions=positions[kept],
        sites=larger.sites[kept],
        excess_oxygen=int(added.sum()),
    )


def _are_bonded(slab: SurfaceSlab, added: NDArray[np.float64]) -> bool:
    """Ask whether each added oxygen atom (angstrom, shape (n, 3)) has a bond to the slab."""
    oxygen = slab.numbers == OXYGEN
    to_added = np.full(len(added), np.inf)
    for number in set(slab.numbers[~oxygen].tolist()):
        ions = slab.positions[slab.numbers == number]
        shortest = _distances(slab.in_plane, ions, slab.positions[oxygen]).min()
        distances = _distances(slab.in_plane, ions, added).min(axis=0)
        to_added = np.minimum(to_added, distances / shortest)
    return bool((to_added < _STRETCH).all())


def _distances(
    in_plane: NDArray[np.float64], first: NDArray[np.float64], second: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the shortest distances in the periodic plane, angstrom, shape (n_first, n_second)."""
    steps = np.arange(-2, 3)
    cells = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2) @ in_plane
    shifts = np.column_stack([cells, np.zeros(len(cells))])
    differences = first[:, None, None, :] - second[None, :, None, :] + shifts
    shortest: NDArray[np.float64] = np.linalg.norm(differences, axis=-1).min(axis=-1)
    return shortest
