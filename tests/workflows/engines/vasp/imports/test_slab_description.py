"""Slabs that somebody else has cut are described as our own are."""

from __future__ import annotations

import pytest

from surfalign.crystals.sources import load_crystal
from surfalign.errors import SurfaceError
from surfalign.stores.documents import SurfaceDescription
from surfalign.workflows.engines.vasp.imports.slab_description import describe_slab
from surfalign.workflows.surface_jobs import describe_surfaces


def cut(name: str, index: tuple[int, int, int]) -> list[SurfaceDescription]:
    return describe_surfaces(
        load_crystal(name).structure, source="", miller_indices=[index], max_index=None,
        slab_thickness=12.0, vacuum_thickness=15.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "index"),
    [("MgO", (1, 1, 0)), ("TiO2-rutile", (1, 1, 0)), ("Al2O3", (0, 0, 1)), ("ZnO", (1, 1, 0))],
)
def test_a_slab_of_ours_is_known_again(name: str, index: tuple[int, int, int]) -> None:
    bulk = load_crystal(name).structure
    for wanted in cut(name, index):
        relaxed = wanted.slab.copy()
        heights = relaxed.cart_coords[:, 2]
        for i in range(len(relaxed)):
            outer = abs(heights[i] - heights.mean()) > 0.4 * wanted.slab_thickness
            if outer:
                relaxed.translate_sites([i], [0, 0, -0.15 if heights[i] > heights.mean() else 0.15],
                                        frac_coords=False)  # fmt: skip
        for slab in (wanted.slab, relaxed):
            found = describe_slab(bulk, slab, "test")
            assert found.identifier == wanted.identifier
            assert found.name == wanted.name
            assert (found.termination, found.termination_label) == (
                wanted.termination,
                wanted.termination_label,
            )
            assert found.bulk_repeat == pytest.approx(wanted.bulk_repeat)
            assert found.area == pytest.approx(wanted.area)
            assert len(found.slab.site_properties["bulk_site"]) == len(slab)


def test_striped_faces_of_the_same_heights_get_an_identifier_of_their_own() -> None:
    bulk = load_crystal("SrTiO3").structure
    ours = cut("SrTiO3", (1, 0, 0))
    found = [describe_slab(bulk, s.slab, "test") for s in ours]
    assert {f.termination for f in found} == {"C"}
    assert not {f.identifier for f in found} & {s.identifier for s in ours}


def test_a_slab_that_is_not_stoichiometric_is_refused() -> None:
    (surface, *_) = cut("TiO2-rutile", (1, 1, 0))
    slab = surface.slab.copy()
    slab.remove_sites([0])
    with pytest.raises(SurfaceError, match="not stoichiometric"):
        describe_slab(load_crystal("TiO2-rutile").structure, slab, "test")
