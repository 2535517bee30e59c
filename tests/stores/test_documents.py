"""What stored documents are called must not change: results of years are read by these names."""

from __future__ import annotations

import pytest

from surfalign.crystals.sources import load_crystal
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.slabs.enumeration import enumerate_slabs
from surfalign.stores.documents import (
    Document,
    SurfaceDescription,
    SurfaceIdentity,
    SurfaceLevelsDocument,
)

IDENTITY = """
    formula space_group_symbol space_group_number source crystal_notes miller_index termination termination_label
    n_atoms area slab_thickness vacuum_thickness bulk_repeat excess_oxygen
"""
DESCRIPTION = "identifier name slab oriented_bulk"
LEVELS = """
    identifier state origin registration surface_identifier surface_name functional semilocal_functional quality relaxed ionization_potential
    electron_affinity band_gap surface_energy surface_energy_method surface_energy_oxygen_rich oxygen_energy
    oxygen_reference area_fraction termination_weight dielectric_constant
    exchange_fraction potential_step level_corrections convergence_error convergence_parts ionization_potential_site_potentials
    semilocal_ionization_potential semilocal_band_gap checks failed_checks warnings error
    bulk_structure slab_structure unrelaxed_slab_structure potential engine engine_version
    code_versions settings settings_hash timings provenance levels_version corrections archives sharing
    created_at
"""


@pytest.mark.parametrize(
    ("document", "names"),
    [
        (SurfaceIdentity, IDENTITY),
        (SurfaceDescription, IDENTITY + DESCRIPTION),
        (SurfaceLevelsDocument, IDENTITY + LEVELS),
    ],
)
def test_fields_of_stored_documents_keep_their_names(document: type[Document], names: str) -> None:
    assert set(document.model_fields) == set(names.split())


def test_a_description_knows_every_field_of_what_a_surface_is() -> None:
    needed = {
        name for name, field in SurfaceDescription.model_fields.items() if field.is_required()
    }
    assert {"formula", "miller_index", "n_atoms", "area", "bulk_repeat"} <= needed
    assert {"slab_thickness", "vacuum_thickness", "slab", "oriented_bulk"} <= needed


def test_a_result_of_an_earlier_version_is_still_read() -> None:
    earlier = {
        "identifier": "MgO-1", "state": "failed", "formula": "MgO", "functional": "ddh",
        "quality": "quick", "relaxed": True, "miller_index": [1, 0, 0], "termination": "A",
    }  # fmt: skip
    result = SurfaceLevelsDocument.model_validate(earlier)
    assert result.identity["miller_index"] == (1, 0, 0)
    assert result.identity["area"] is None


def test_a_slab_names_what_it_is_as_documents_do() -> None:
    (slab,) = enumerate_slabs(symmetrize(load_crystal("MgO").structure), (1, 0, 0))
    assert {*slab.identity, "source", "crystal_notes"} == set(SurfaceIdentity.model_fields)
