"""Equilibrium shapes from stored results, and the shares that they leave in the store."""

from __future__ import annotations

import math

import pytest
from stored_faces import RUTILE, face, rutile
from stored_results import store

from surfalign.crystals.sources import load_crystal
from surfalign.errors import (
    DocumentNotFoundError,
    MixedMethodsError,
    QuerySyntaxError,
    ShapeError,
)
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.shapes.wulff import equilibrium_shape
from surfalign.stores.database import Database
from surfalign.stores.documents import ResultState
from surfalign.stores.query.results import find
from surfalign.stores.shapes.builder import build_shapes
from surfalign.stores.shapes.selection import select
from surfalign.stores.shapes.shape import crystal_shape

SNO2 = load_crystal("SnO2")
FLAGGED = {"state": ResultState.FLAGGED, "failed_checks": ["slab_centre"]}


def shares(database: Database) -> dict[str, float | None]:
    return {d.surface_name: d.area_fraction for d in find(database)}


def test_shares_averages_and_spread_are_those_of_the_faces_that_show(database: Database) -> None:
    store(database, *rutile())

    made = crystal_shape(select(database, SNO2))

    expected = equilibrium_shape(
        symmetrize(SNO2.structure), {index: energy for index, (energy, _) in RUTILE.items()}
    ).area_fractions
    assert {t.miller_index: t.area_fraction for t in made.terminations} == pytest.approx(expected)
    mean = sum(expected[index] * ip for index, (_, ip) in RUTILE.items())
    variance = sum(expected[index] * (ip - mean) ** 2 for index, (_, ip) in RUTILE.items())
    assert made.ionization_potential is not None
    assert made.electron_affinity is not None
    assert made.ionization_potential.mean == pytest.approx(mean)
    assert made.ionization_potential.spread == pytest.approx(math.sqrt(variance))
    assert made.electron_affinity.mean == pytest.approx(mean - 3.6)
    assert made.selection.methods == ["toy ddh quick relaxed"]


def test_of_two_terminations_the_more_stable_one_has_the_face(database: Database) -> None:
    store(database, *rutile(), face("SnO2", (1, 1, 0), 1.2, ending="C"))

    made = crystal_shape(select(database, SNO2), temperature=2000)

    first, second = (t for t in made.terminations if t.miller_index == (1, 1, 0))
    assert first.document.surface_name == "SnO2(110)-B"
    assert second.area_fraction == 0
    assert first.weight + second.weight == pytest.approx(1)
    assert 0 < second.weight < first.weight


def test_orientations_without_a_result_are_listed_with_what_would_make_them_show(
    database: Database,
) -> None:
    store(database, *rutile())

    made = crystal_shape(select(database, SNO2))

    (missing,) = made.missing
    assert missing.orientation.miller_index == (1, 1, 1)
    energies = {index: energy for index, (energy, _) in RUTILE.items()}
    for step, shows in ((-0.01, True), (0.01, False)):
        shape = equilibrium_shape(
            symmetrize(SNO2.structure), energies | {(1, 1, 1): missing.shows_below + step}
        )
        assert (shape.area_fractions[1, 1, 1] > 0) is shows


def test_polar_orientations_are_named_where_they_leave_the_shape_open(database: Database) -> None:
    store(database, face("ZnO", (1, 0, 0), 1.0), face("ZnO", (1, 1, 0), 1.1))

    with pytest.raises(ShapeError, match=r"without a nonpolar slab.*\(001\)"):
        crystal_shape(select(database, load_crystal("ZnO")))


def test_what_never_closes_a_shape_is_not_advised(database: Database) -> None:
    store(database, face("ZnO", (1, 0, 0), 1.0), face("SnO2", (1, 1, 0), 1.0))

    with pytest.raises(ShapeError, match="no further result closes it") as refused:
        crystal_shape(select(database, load_crystal("ZnO")))
    assert "compute" not in refused.value.remedy
    with pytest.raises(ShapeError, match=r"compute what is missing: .*\(101\)"):
        crystal_shape(select(database, SNO2))


def test_slabs_that_do_not_count_are_not_among_those_of_the_shape(database: Database) -> None:
    reduced = face("SnO2", (1, 1, 0), 0.0, ending="B-reduced", surface_energy=None,
                   excess_oxygen=-2, **FLAGGED)  # fmt: skip
    store(database, *rutile(), reduced)

    made = crystal_shape(select(database, SNO2, flagged=True))

    assert {d.surface_name for d in made.selection.documents} == {
        t.document.surface_name for t in made.terminations
    }
    assert not [d for d in made.selection.documents if d.state is ResultState.FLAGGED]


def test_other_polymorphs_of_the_formula_do_not_count(database: Database) -> None:
    store(
        database,
        *rutile(),
        face("TiO2-rutile", (1, 0, 1), 0.9),
        face("TiO2-anatase", (1, 0, 1), 0.5),
    )

    found = select(database, load_crystal("TiO2-rutile"))

    assert [d.surface_energy for d in found.documents] == [0.9]


def test_several_methods_are_refused_and_named_unless_asked_for(database: Database) -> None:
    store(database, *rutile()[:2], *rutile(quality="standard")[2:])

    with pytest.raises(MixedMethodsError, match="toy ddh quick relaxed, toy ddh standard relaxed"):
        select(database, SNO2)
    assert len(select(database, SNO2, 'quality = "quick"').documents) == 2
    assert len(select(database, SNO2, mixed=True).methods) == 2


def test_two_bulk_cells_of_one_method_are_refused_too(database: Database) -> None:
    store(database, *rutile()[:2], *rutile(source="file:x.cif", provenance={"bulk": "other"})[2:])

    with pytest.raises(MixedMethodsError, match=r"bulk cells .*file:x.cif, library:SnO2"):
        select(database, SNO2)


def test_flagged_results_count_only_when_asked_for(database: Database) -> None:
    store(database, *rutile()[:3], *rutile(**FLAGGED)[3:])

    found = select(database, SNO2)
    assert found.left_out == {"flagged (slab_centre)": ["SnO2(001)-B"]}
    assert len(found.documents) == 3
    assert len(select(database, SNO2, flagged=True).documents) == 4


def test_a_negative_surface_energy_is_refused(database: Database) -> None:
    store(database, *rutile()[:3], face("SnO2", (0, 0, 1), -0.1, **FLAGGED))

    assert crystal_shape(select(database, SNO2)).terminations
    with pytest.raises(ShapeError, match=r"the surface energy of SnO2\(001\)-B is -0.1"):
        crystal_shape(select(database, SNO2, flagged=True))


@pytest.mark.parametrize("where", [None, 'quality = "converged"'])
def test_no_results_are_an_error(database: Database, where: str | None) -> None:
    store(database, *(rutile() if where else [face("MgO", (1, 0, 0), 1.0)]))

    with pytest.raises(DocumentNotFoundError, match=r"no result of SnO2 .* can be used"):
        select(database, SNO2, where)


def test_a_query_that_cannot_be_understood_is_refused(database: Database) -> None:
    with pytest.raises(QuerySyntaxError, match="qualitty"):
        select(database, SNO2, "qualitty = quick")


def test_shares_stand_in_the_store_and_follow_later_results(database: Database) -> None:
    store(database, *rutile()[:3])
    assert build_shapes(database.surface_levels) == 1
    before = shares(database)
    assert sum(share or 0 for share in before.values()) == pytest.approx(1)

    assert build_shapes(database.surface_levels) == 0  # nothing has changed
    store(database, face("SnO2", (0, 0, 1), 0.8))
    assert build_shapes(database.surface_levels) == 1

    after = shares(database)
    assert (after["SnO2(001)-B"] or 0) > 0.1
    assert sum(share or 0 for share in after.values()) == pytest.approx(1)
    assert (after["SnO2(110)-B"] or 0) < (before["SnO2(110)-B"] or 0)
    assert [d.surface_name for d in find(database, "area_fraction > 0.3", sort="area_fraction")]


def test_a_share_goes_when_the_result_is_not_trusted_any_more(database: Database) -> None:
    store(database, *rutile())
    build_shapes(database.surface_levels)
    store(database, *rutile(**FLAGGED)[2:3])  # the builder rewrites it

    build_shapes(database.surface_levels)

    # Without (101) the top is closed by (001).
    assert shares(database)["SnO2(101)-B"] is None
    assert (shares(database)["SnO2(001)-B"] or 0) > 0


def test_an_open_shape_has_weights_and_no_shares(database: Database) -> None:
    store(database, *rutile()[:1], face("SnO2", (1, 1, 0), 1.0401, ending="C"))
    build_shapes(database.surface_levels)

    found = list(find(database))
    assert [d.area_fraction for d in found] == [None, None]
    assert sum(d.termination_weight or 0 for d in found) == pytest.approx(1)


def test_functionals_that_share_a_slab_share_its_shares(database: Database) -> None:
    hybrids = [d.model_copy(update={"functional": "hse06", "identifier": d.identifier + "h"})
               for d in rutile()]  # fmt: skip
    store(database, *rutile(), *hybrids)
    assert build_shapes(database.surface_levels) == 1

    found = {(d.surface_name, d.functional): d.area_fraction for d in find(database)}
    assert found["SnO2(110)-B", "ddh"] == found["SnO2(110)-B", "hse06"] > 0.3
