"""Which surface of which crystal a finished slab is: found from its atoms alone.

The inside of a slab is a rotated piece of the crystal. The rotation is found from the neighbours of an atom
in the middle: three of them, not in one plane, are looked for among the neighbours of an equal atom of the
crystal; the best fit of all neighbours decides (Kabsch, doi:10.1107/S0567739476001873). With it, every atom
of the slab has its site in the crystal, and the normal its Miller index, whatever cell, supercell, rotation
or order of atoms the slab has.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from surfalign.errors import SurfaceError
from surfalign.physics.lattice.orientations import MillerIndex, convert_miller_index
from surfalign.physics.levels.potential import cell_height, slab_regions

#: Neighbours within this radius are compared, angstrom.
_RADIUS = 5.0
#: How far an atom inside the slab may be from its place in the crystal, angstrom.
_TOLERANCE = 0.4
#: Share of the crystal's neighbours that must be found.
_SHARE = 0.9
#: Largest index that is recognised.
_MOST_INDEX = 12
#: Empty height from which on a cell is a slab, angstrom.
LEAST_VACUUM = 7.0

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class RecognisedSlab:
    """A slab as a piece of a crystal.

    Parameters
    ----------
    miller_index
        In the standard conventional cell of the crystal.
    bulk_sites
        For each atom its site in the crystal's structure, shape ``(n_sites,)``.
    deviation
        Root mean square distance of the atoms inside the slab from their places, angstrom.
    strain
        Largest relative difference of the slab's in-plane vectors from those of the crystal.
    """

    miller_index: MillerIndex
    bulk_sites: list[int]
    deviation: float
    strain: float


def empty_heights(structure: Structure) -> tuple[float, float, float]:
    """Return the largest empty height of a cell along each of its three normals, angstrom."""
    heights = []
    for axis in range(3):
        rows = np.roll(structure.lattice.matrix, 2 - axis, axis=0)
        height = cell_height(rows)
        regions = slab_regions(structure.frac_coords[:, axis] * height, height)
        heights.append(regions.vacuum_thickness)
    return heights[0], heights[1], heights[2]


def is_slab(structure: Structure) -> bool:
    """Return whether a cell holds a slab with its normal along c, and is periodic in the plane."""
    a, b, c = empty_heights(structure)
    return c > LEAST_VACUUM and max(a, b) <= LEAST_VACUUM


def recognise_slab(bulk: Structure, slab: Structure) -> RecognisedSlab:
    """Find out which surface of a crystal a slab is.

    Parameters
    ----------
    bulk
        Any cell of the crystal.
    slab
        A slab with its normal along the cell's ``a x b``, relaxed or not.

    Raises
    ------
    SurfaceError
        When the inside of the slab is no piece of the crystal.
    """
    best: tuple[float, FloatArray, int, int] | None = None
    for centre in _central_atoms(slab):
        vectors, numbers, _ = _neighbours(slab, centre)
        for site in range(len(bulk)):
            if bulk[site].specie != slab[centre].specie:
                continue
            wanted, wanted_numbers, _ = _neighbours(bulk, site)
            for rotation, deviation in _fits(wanted, wanted_numbers, vectors, numbers):
                if best is None or deviation < best[0] - 1e-6:
                    best = (deviation, rotation, centre, site)
        if best is not None:
            break
    if best is None:
        raise SurfaceError(
            f"the inside of the slab of {slab.composition.reduced_formula} is no piece of the bulk "
            f"crystal to {_TOLERANCE} angstrom",
            "a slab of this crystal, several layers thick",
            "compare the lattice parameters of slab and bulk",
        )
    deviation, rotation, centre, site = best
    places = (slab.cart_coords - slab.cart_coords[centre]) @ rotation.T + bulk.cart_coords[site]
    return RecognisedSlab(
        _miller_index(bulk, rotation, slab),
        _sites(bulk, slab, places),
        deviation,
        _strain(bulk, rotation, slab),
    )


def _central_atoms(slab: Structure) -> list[int]:
    """The atoms nearest to the middle, one of each element, the rarest element first."""
    height = cell_height(slab.lattice.matrix)
    heights = slab.frac_coords[:, 2] * height
    centre = slab_regions(heights, height).slab_centre
    distance = np.abs((heights - centre + height / 2) % height - height / 2)
    amounts = slab.composition.get_el_amt_dict()
    order = sorted(range(len(slab)), key=lambda i: (round(float(distance[i]), 3), i))
    first = {slab[i].specie.symbol: i for i in reversed(order)}
    return [first[element] for element in sorted(first, key=lambda e: (amounts[e], e))]


def _neighbours(
    structure: Structure, site: int
) -> tuple[FloatArray, NDArray[np.int64], FloatArray]:
    """Vectors to the neighbours (n, 3), their atomic numbers, and distances, nearest first."""
    found = sorted(structure.get_neighbors(structure[site], _RADIUS), key=lambda n: n.nn_distance)
    vectors = np.array([n.coords - structure[site].coords for n in found]).reshape(-1, 3)
    numbers = np.array([n.specie.Z for n in found], dtype=np.int64)
    return vectors, numbers, np.linalg.norm(vectors, axis=1)


def _fits(
    wanted: FloatArray,
    wanted_numbers: NDArray[np.int64],
    vectors: FloatArray,
    numbers: NDArray[np.int64],
) -> list[tuple[FloatArray, float]]:
    """Rotations that take the slab's neighbour vectors to those of the crystal, with deviations.

    With the convention ``crystal = slab @ rotation.T``.
    """
    triple = _independent(wanted)
    if triple is None:
        return []
    corners = wanted[triple]
    lengths = np.linalg.norm(vectors, axis=1)
    choices = [
        np.flatnonzero(
            (numbers == wanted_numbers[i])
            & (np.abs(lengths - np.linalg.norm(wanted[i])) < _TOLERANCE)
        )
        for i in triple
    ]
    products = corners @ corners.T
    fits = []
    for indices in itertools.product(*choices):
        chosen = vectors[list(indices)]
        reach = np.abs(chosen @ chosen.T - products)
        if len(set(indices)) < 3 or reach.max() > 2 * _TOLERANCE * np.sqrt(products.max()):
            continue
        fit = _refined(_kabsch(chosen, corners), wanted, wanted_numbers, vectors, numbers)
        if fit is not None:
            fits.append(fit)
    return fits


def _independent(vectors: FloatArray) -> list[int] | None:
    """The first three vectors that are well out of one plane."""
    for triple in itertools.combinations(range(min(len(vectors), 14)), 3):
        chosen = vectors[list(triple)]
        if abs(np.linalg.det(chosen)) > 0.25 * np.prod(np.linalg.norm(chosen, axis=1)):
            return list(triple)
    return None


def _kabsch(source: FloatArray, target: FloatArray) -> FloatArray:
    """The orthogonal matrix, proper or not, that best takes the source's rows to the target's."""
    u, _, vt = np.linalg.svd(target.T @ source)
    return np.asarray(u @ vt)


def _refined(
    rotation: FloatArray,
    wanted: FloatArray,
    wanted_numbers: NDArray[np.int64],
    vectors: FloatArray,
    numbers: NDArray[np.int64],
) -> tuple[FloatArray, float] | None:
    """Fit all neighbours; None where too few of the crystal's are there."""
    for _ in range(2):
        turned = vectors @ rotation.T
        distances = np.linalg.norm(wanted[:, None, :] - turned[None, :, :], axis=2)
        distances[wanted_numbers[:, None] != numbers[None, :]] = np.inf
        nearest = distances.argmin(axis=1)
        close = distances[np.arange(len(wanted)), nearest] < _TOLERANCE
        # Near the rim a neighbour may lie just outside.
        inside = np.linalg.norm(wanted, axis=1) < _RADIUS - _TOLERANCE
        if close[inside].mean() < _SHARE or close.sum() < 4:
            return None
        rotation = _kabsch(vectors[nearest[close]], wanted[close])
    residual = wanted[close] - vectors[nearest[close]] @ rotation.T
    return rotation, float(np.sqrt((residual**2).sum(axis=1).mean()))


def _miller_index(bulk: Structure, rotation: FloatArray, slab: Structure) -> MillerIndex:
    """The index of the slab's planes in the crystal's standard conventional cell."""
    normal = np.cross(slab.lattice.matrix[0], slab.lattice.matrix[1])
    normal = rotation @ (normal / np.linalg.norm(normal))
    covariant = bulk.lattice.matrix @ normal
    covariant /= np.abs(covariant).max()
    for largest in range(1, _MOST_INDEX + 1):
        scaled = covariant * largest
        if np.abs(scaled - np.rint(scaled)).max() < 0.04 * np.sqrt(largest):
            h, k, l = (int(x) for x in np.rint(scaled))
            return convert_miller_index(bulk, (h, k, l))
    raise SurfaceError(
        f"the slab's normal is no low-index direction of the crystal ({covariant.round(3)})",
        f"indices up to {_MOST_INDEX}",
        "compare the lattice of slab and bulk",
    )


def _strain(bulk: Structure, rotation: FloatArray, slab: Structure) -> float:
    """Compare the slab's in-plane vectors with the lattice vectors of the crystal they stand for."""
    a, b = slab.lattice.matrix[:2]
    strains = []
    for vector in (a, b, a + b, a - b):
        steps = np.rint(bulk.lattice.get_fractional_coords(rotation @ vector))
        length = float(np.linalg.norm(bulk.lattice.get_cartesian_coords(steps)))
        strains.append(abs(float(np.linalg.norm(vector)) / length - 1) if length else 1.0)
    return max(strains)


def _sites(bulk: Structure, slab: Structure, places: FloatArray) -> list[int]:
    """The nearest site of the same element for each place."""
    fractional = bulk.lattice.get_fractional_coords(places)
    distances = bulk.lattice.get_all_distances(fractional, bulk.frac_coords)
    same = np.array([[a.specie == b.specie for b in bulk] for a in slab])
    return [int(i) for i in np.where(same, distances, np.inf).argmin(axis=1)]
