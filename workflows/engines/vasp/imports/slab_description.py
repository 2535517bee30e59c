"""The description of a surface that somebody else has cut."""

from __future__ import annotations

import hashlib

import numpy as np
from pymatgen.core import Structure

from surfalign.errors import SurfaceError
from surfalign.physics.lattice.orientations import (
    MillerIndex,
    canonical_miller_index,
    format_miller_index,
    interplanar_spacing,
    primitive_normal,
)
from surfalign.physics.lattice.symmetry import SymmetricCrystal, symmetrize
from surfalign.physics.levels.potential import cell_height, slab_regions
from surfalign.physics.recognition.finished_slab import recognise_slab
from surfalign.physics.slabs.enumeration import enumerate_slabs
from surfalign.physics.slabs.surface_slab import SurfaceSlab
from surfalign.stores.documents import SurfaceDescription

#: In-plane strain of a slab against its bulk that is accepted.
MOST_STRAIN = 0.005
#: Atoms of a relaxed slab are at most this far from those of the cut one, angstrom.
_FARTHEST_RELAXATION = 0.6
#: A relaxation makes a slab thicker or thinner: it is enumerated with these thicknesses less, angstrom.
_THICKNESS_ALLOWANCES = (0.1, 0.6, 1.2, -0.4)
#: Files have few digits: symmetry is looked for with this tolerance, angstrom.
_SYMPREC = 0.02


def describe_slab(bulk: Structure, slab: Structure, source: str) -> SurfaceDescription:
    """Describe a finished slab as a surface of its crystal.

    Parameters
    ----------
    bulk
        The crystal; ``bulk_site`` of the described slab counts its sites.
    slab
        The slab, best before its relaxation.
    source
        Where it came from.

    Raises
    ------
    SurfaceError
        When the slab is no slab of this crystal, is strained, or not stoichiometric.
    """
    if slab.composition.reduced_formula != bulk.composition.reduced_formula:
        raise SurfaceError(
            f"the slab is {slab.composition.reduced_formula}, the bulk "
            f"{bulk.composition.reduced_formula}: it is not stoichiometric"
        )
    found = recognise_slab(bulk, slab)
    if found.strain > MOST_STRAIN:
        raise SurfaceError(
            f"the slab's in-plane lattice differs by {100 * found.strain:.1f} % from the bulk's"
        )
    crystal = symmetrize(bulk, _SYMPREC)
    index = canonical_miller_index(crystal, found.miller_index)
    height = cell_height(slab.lattice.matrix)
    regions = slab_regions(slab.frac_coords[:, 2] * height, height)
    matches = _library_slabs(crystal, index, slab, regions.slab_thickness)
    first = matches[0] if matches else None
    match = first if len(matches) == 1 else None
    plain = Structure(slab.lattice, slab.species, slab.frac_coords)
    plain.add_site_property("bulk_site", found.bulk_sites)
    area = slab.volume / height
    return SurfaceDescription(
        identifier=match.identifier if match else _identifier(slab, index, crystal),
        name=_name(crystal, index, match),
        formula=crystal.formula,
        space_group_symbol=crystal.space_group_symbol,
        space_group_number=crystal.space_group_number,
        source=source,
        miller_index=index,
        termination=first.termination_class if first else "",
        termination_label=first.label if first else "",
        slab=plain,
        oriented_bulk=bulk,
        bulk_repeat=first.bulk_repeat if first else _spacing(crystal, index),
        slab_thickness=regions.slab_thickness,
        vacuum_thickness=regions.vacuum_thickness,
        area=area,
        n_atoms=len(slab),
    )


def _library_slabs(
    crystal: SymmetricCrystal, index: MillerIndex, slab: Structure, thickness: float
) -> list[SurfaceSlab]:
    """Return the enumerated slabs of the same layers; several where only stripes tell them apart."""
    area = slab.volume / cell_height(slab.lattice.matrix)
    found: dict[str, SurfaceSlab] = {}
    for allowance in _THICKNESS_ALLOWANCES:
        try:
            candidates = enumerate_slabs(
                crystal,
                index,
                slab_thickness=max(thickness - allowance, 1.0),
                vacuum_thickness=15.0,
            )
        except SurfaceError:
            return []
        for candidate in candidates:
            per_area = candidate.n_atoms / candidate.area
            if abs(per_area * area / len(slab) - 1) < 0.02 and _same_layers(candidate, slab):
                found.setdefault(candidate.identifier, candidate)
    return list(found.values())


def _same_layers(candidate: SurfaceSlab, slab: Structure) -> bool:
    """Whether each element is at the same heights in both, up or down, but for a relaxation."""
    height = cell_height(slab.lattice.matrix)
    heights = slab.frac_coords[:, 2] * height
    middle = slab_regions(heights, height).slab_centre
    heights = (heights - middle + height / 2) % height - height / 2
    for element in slab.composition.elements:
        mine = np.sort(heights[[site.specie == element for site in slab]])
        theirs = np.sort(candidate.positions[candidate.numbers == element.Z, 2])
        # Cells of different area: compare the heights' quantiles.
        places = (np.arange(64) + 0.5) / 64
        one, other = (h[(places * len(h)).astype(int)] for h in (mine, theirs))
        flipped = -other[::-1]
        if min(np.abs(one - other).max(), np.abs(one - flipped).max()) > _FARTHEST_RELAXATION:
            return False
    return True


def _name(crystal: SymmetricCrystal, index: MillerIndex, match: SurfaceSlab | None) -> str:
    if match is not None and match.name:
        return match.name
    return f"{crystal.formula}{format_miller_index(index)}-imported"


def _spacing(crystal: SymmetricCrystal, index: MillerIndex) -> float:
    return float(interplanar_spacing(crystal, primitive_normal(crystal, index)))


def _identifier(slab: Structure, index: MillerIndex, crystal: SymmetricCrystal) -> str:
    """A hash of what is invariant: formula, planes, atoms per area, heights to 0.1 angstrom."""
    height = cell_height(slab.lattice.matrix)
    heights = slab.frac_coords[:, 2] * height
    bottom = slab_regions(heights, height).bottom
    rounded = sorted(
        (site.specie.symbol, round(float((h - bottom) % height), 1))
        for site, h in zip(slab, heights, strict=True)
    )
    text = repr((crystal.formula, crystal.space_group_number, index, rounded))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
