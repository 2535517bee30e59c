"""The jobs between the engine's steps: choosing the surfaces, and aligning the levels."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace

from jobflow import job
from pymatgen.core import Structure

from surfalign.errors import TerminationError
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.recognition.relaxed_crystal import after_relaxation
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
    corrugated: bool = False,
    given: Structure | None = None,
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
    corrugated
        Whether surfaces of type C are wanted also where an orientation has others.
    given
        The crystal before ``structure`` was relaxed, with its sites in the same order. Its surfaces are those that are
        asked for: what is cut from ``structure`` keeps the names that they have there
        (:mod:`surfalign.physics.recognition.relaxed_crystal`).

    Raises
    ------
    PolarSurfaceError, TerminationError
        When an orientation in ``miller_indices`` has no slab; the message lists those that have.
    """
    thicknesses = {"slab_thickness": slab_thickness, "vacuum_thickness": vacuum_thickness}
    relaxed = symmetrize(structure)
    crystal = relaxed if given is None or len(given) != len(structure) else symmetrize(given)
    chosen = [(h, k, l) for h, k, l in miller_indices or ()]
    if not chosen and max_index is None:
        chosen = [default_orientation(crystal)]
    orientations = enumeration.nonpolar_orientations(crystal, max_index) if max_index else []
    found: list[SurfaceSlab] = []
    own_names: dict[str, str] = {}
    for index in [*chosen, *(orientation.miller_index for orientation in orientations)]:
        # An orientation without a stoichiometric cut is no error where all are asked for.
        with nullcontext() if index in chosen else suppress(TerminationError):
            slabs = enumeration.enumerate_slabs(
                crystal, index, corrugated=corrugated, **thicknesses
            )
            if crystal is not relaxed:
                cut = after_relaxation(slabs, relaxed, **thicknesses)
                if not cut:
                    raise TerminationError(
                        f"relaxing the bulk of {crystal.formula} closed the gaps of {', '.join(slab.name for slab in slabs)}",
                        "a crystal whose atomic planes stay apart where it is cut",
                        "choose another orientation, or look whether the structure is far from its equilibrium",
                    )
                own_names |= {name: slab.name for name, slab in cut.items()}
                slabs = [replace(slab, name=name) for name, slab in cut.items()]
            found += slabs
    if oxygen:
        found = with_oxygen_variants(found)
    unique = {slab.identifier: slab for slab in found}
    return [
        _description(slab, source, crystal_notes, own_names.get(slab.name, slab.name))
        for slab in unique.values()
    ]


def _description(
    surface: SurfaceSlab, source: str, crystal_notes: Sequence[str], own_name: str
) -> SurfaceDescription:
    notes = list(crystal_notes)
    if own_name != surface.name:
        notes.append(
            f"relaxing the bulk moved its atomic planes: by those of the relaxed crystal the surface would be called {own_name}"
        )
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
