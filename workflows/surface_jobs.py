"""The jobs between the engine's steps: choosing the surfaces, and aligning the levels."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from jobflow import job
from pymatgen.core import Structure

from surfalign.errors import TerminationError
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.slabs import enumeration
from surfalign.physics.slabs.cleavage import cuts_no_bond, default_orientation
from surfalign.physics.slabs.enumeration import SurfaceSlab
from surfalign.physics.slabs.oxygen import with_oxygen_variants
from surfalign.physics.slabs.terminations import TerminationClass
from surfalign.stores.documents import (
    BandEdgesDocument,
    BulkDocument,
    DielectricDocument,
    SlabPotentialDocument,
    SlabRelaxationDocument,
    SurfaceDescription,
    SurfaceLevelsDocument,
)
from surfalign.stores.levels import SurfaceSteps, surface_levels

#: Said of a result whose slab is a stack of layers.
BETWEEN_LAYERS = (
    "the faces lie between layers, and no bond is cut; where the method leaves out dispersion forces, which hold "
    "layers together, the distances between them are less certain"
)

#: Said of a result whose outermost planes are halved.
HALVED_PLANE = (
    "the planes of this orientation are charged: half of each outermost one is left out in stripes, so that both faces "
    "are neutral and stoichiometric; the face of a real crystal may be rearranged in another way"
)


@job(output_schema=SurfaceLevelsDocument)
def align_surface(
    identifier: str,
    provenance: dict[str, str],
    surface: SurfaceDescription,
    bulk: BulkDocument,
    band_edges: BandEdgesDocument,
    oriented_bulk: BulkDocument,
    slab_potential: SlabPotentialDocument,
    dielectric: DielectricDocument | None = None,
    slab_relaxation: SlabRelaxationDocument | None = None,
    hydrogen_molecule: SlabPotentialDocument | None = None,
    water_molecule: SlabPotentialDocument | None = None,
) -> SurfaceLevelsDocument:
    """Align the band edges of the bulk with the vacuum level of the slab (:mod:`..stores.levels`)."""
    steps = SurfaceSteps(
        surface=surface,
        bulk=bulk,
        band_edges=band_edges,
        oriented_bulk=oriented_bulk,
        slab_potential=slab_potential,
        dielectric=dielectric,
        slab_relaxation=slab_relaxation,
        hydrogen_molecule=hydrogen_molecule,
        water_molecule=water_molecule,
    )
    return surface_levels(steps, identifier, provenance)


def describe_surfaces(
    structure: Structure,
    *,
    source: str,
    miller_indices: Sequence[tuple[int, int, int]] | None,
    max_index: int | None,
    slab_thickness: float,
    vacuum_thickness: float,
    crystal_notes: Sequence[str] = (),
    oxygen: bool = False,
) -> list[SurfaceDescription]:
    """Enumerate the surfaces of a crystal that are asked for.

    Parameters
    ----------
    structure
        Bulk structure; the slabs' ``bulk_site`` counts its sites.
    source
        Where the crystal came from.
    miller_indices
        Orientations; with None and no ``max_index``, the crystal's default orientation.
    max_index
        All nonpolar orientations up to this index, besides ``miller_indices``; orientations without
        a stoichiometric termination are left out.
    slab_thickness, vacuum_thickness
        Wanted minimum thicknesses, angstrom.
    crystal_notes
        What is unusual about the crystal.
    oxygen
        Whether the reduced and oxidised forms of the surfaces are wanted too.

    Raises
    ------
    PolarSurfaceError, TerminationError
        When an orientation in ``miller_indices`` has no slab; the message lists those that have.
    """
    thicknesses = {"slab_thickness": slab_thickness, "vacuum_thickness": vacuum_thickness}
    crystal = symmetrize(structure)
    chosen = [(h, k, l) for h, k, l in miller_indices or ()]
    if not chosen and max_index is None:
        chosen = [default_orientation(crystal)]
    found = [
        slab
        for index in chosen
        for slab in enumeration.enumerate_slabs(crystal, index, **thicknesses)
    ]
    for orientation in enumeration.nonpolar_orientations(crystal, max_index) if max_index else ():
        # An orientation without a stoichiometric cut is no error where all are asked for.
        with suppress(TerminationError):
            found += enumeration.enumerate_slabs(crystal, orientation.miller_index, **thicknesses)
    if oxygen:
        found = with_oxygen_variants(found)
    unique = {slab.identifier: slab for slab in found}
    return [_description(slab, source, crystal_notes) for slab in unique.values()]


def _description(
    surface: SurfaceSlab, source: str, crystal_notes: Sequence[str]
) -> SurfaceDescription:
    notes = list(crystal_notes)
    if cuts_no_bond(surface):
        notes.append(BETWEEN_LAYERS)
    if surface.termination.termination_class is TerminationClass.C:
        notes.append(HALVED_PLANE)
    return SurfaceDescription(
        identifier=surface.identifier,
        name=surface.name,
        source=source,
        crystal_notes=notes,
        slab=surface.slab,
        oriented_bulk=surface.oriented_bulk,
        **surface.identity,
    )
