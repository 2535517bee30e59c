from __future__ import annotations

from typing import Any

import pytest
from stored_results import failed_result, flagged_result, passed_result

from surfalign.errors import ConfigurationError, MixedMethodsError
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.measured.comparison import as_dict, compare
from surfalign.stores.measured.measured_levels import (
    Grade,
    MeasuredLevels,
    measured_levels,
    read_table,
    references,
)


def measured(**fields: Any) -> MeasuredLevels:
    given = {"formula": "MgO", "phase": "rocksalt", "space_group": 225, "ip": 7.0,
             "orientations": ((1, 0, 0),), "method": "UPS", "grade": "A",
             "reference": "klein2010"}  # fmt: skip
    return MeasuredLevels(**(given | fields))


def result(identifier: str = "a", **fields: Any) -> SurfaceLevelsDocument:
    return passed_result(identifier, **({"space_group_number": 225} | fields))


def partner(row: MeasuredLevels, *results: SurfaceLevelsDocument) -> str | None:
    report = compare([row], results)
    return report.compared[0].result.identifier if report.compared else None


def reason(row: MeasuredLevels, *results: SurfaceLevelsDocument) -> str:
    [(_, why)] = compare([row], results).without_result
    return why


def test_every_row_of_the_table_has_its_source() -> None:
    rows = measured_levels()
    assert len(rows) >= 15
    assert {row.reference for row in rows} == set(references())
    assert all(source.text for source in references().values())
    assert len({row.formula for row in rows}) >= 9


def test_a_row_that_does_not_fit_is_refused() -> None:
    head = "references: {a: {text: A}}\nlevels:\n  - {formula: MgO, phase: x, method: UPS, grade: A, reference: a"
    with pytest.raises(ConfigurationError, match="neither ip nor ea"):
        read_table(head + "}")
    with pytest.raises(ConfigurationError, match=r"row 1 .* does not fit"):
        read_table(head + ", ip: 7, colour: red}")
    with pytest.raises(ConfigurationError, match="no reference 'b'"):
        read_table((head + ", ip: 7}").replace("reference: a", "reference: b"))


def test_differences_are_computed_minus_measured() -> None:
    row = measured(ip=7.0, ea=-0.5)
    report = compare([row], [result(ionization_potential=7.5, electron_affinity=-0.75)])
    [found] = report.compared
    assert found.difference("ionization_potential") == pytest.approx(0.5)
    assert found.difference("electron_affinity") == pytest.approx(-0.25)


def test_errors_are_summed_up_by_level_and_grade() -> None:
    rows = [measured(ip=7.0), measured(ip=8.0, grade="C", formula="CaO")]
    report = compare(rows, [
        result("a", ionization_potential=7.5),
        result("b", formula="CaO", surface_name="CaO(100)-A", ionization_potential=7.2),
    ])  # fmt: skip
    both = report.summary("ionization_potential")
    assert both is not None
    assert (both.number, both.mean_absolute_error) == (2, pytest.approx(0.65))
    assert (both.bias, both.largest) == (pytest.approx(-0.15), pytest.approx(0.8))
    clean = report.summary("ionization_potential", [Grade.CLEAN])
    assert clean is not None
    assert clean.number == 1
    assert report.summary("electron_affinity") is None


def test_polymorph_and_orientation_must_be_those_that_were_measured() -> None:
    assert partner(measured(), result()) == "a"
    assert partner(measured(space_group=136), result()) is None
    assert partner(measured(orientations=((1, 1, 0),)), result()) is None
    assert "this polymorph" in reason(measured(space_group=136), result())
    assert "this orientation" in reason(measured(orientations=((1, 1, 0),)), result())
    assert "no result of MgO" in reason(measured())


def test_planes_that_the_point_group_makes_of_one_are_one() -> None:
    assert partner(measured(orientations=((0, 0, 1),)), result()) == "a"
    assert partner(measured(orientations=((0, -1, 0),)), result()) == "a"
    rutile = measured(space_group=136, orientations=((0, 0, 1),))
    assert partner(rutile, result(space_group_number=136)) is None
    hexagonal = measured(space_group=186, orientations=((1, 0, 0),))
    assert partner(hexagonal, result(space_group_number=186, miller_index=(1, -1, 0))) == "a"
    assert partner(hexagonal, result(space_group_number=186, miller_index=(1, 1, 0))) is None


def test_a_film_is_compared_with_the_surface_of_lowest_energy() -> None:
    others = [
        result("high", surface_name="MgO(110)-A", miller_index=(1, 1, 0), surface_energy=2.3),
        result("low", surface_energy=1.0),
        result("unknown", surface_name="MgO(211)-A", surface_energy=None),
    ]
    report = compare([measured(orientations=())], others)
    assert report.compared[0].result.identifier == "low"
    assert report.without_measurement == ["MgO(110)-A", "MgO(211)-A"]


def test_of_several_results_of_a_surface_the_best_preset_counts() -> None:
    quick = result("quick", surface_energy=0.5)
    converged = result("converged", quality="converged", surface_energy=1.0)
    unrelaxed = result("unrelaxed", quality="converged", relaxed=False, surface_energy=0.1)
    assert partner(measured(), quick, converged, unrelaxed) == "converged"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"face": "reduced"}, "whose face is reduced"),
        ({"face": "exposed"}, "was exposed to air"),
        ({"space_group": None}, "phase of the film is not known"),
    ],
)
def test_surfaces_that_no_slab_stands_for_have_no_partner(fields: dict[str, Any], why: str) -> None:
    assert why in reason(measured(**fields), result())


def test_a_face_is_compared_with_a_slab_that_holds_as_much_oxygen() -> None:
    slabs = [
        result("whole"),
        result("reduced", surface_name="MgO(100)-A-reduced", excess_oxygen=-2, surface_energy=0.1),
        result("oxidised", surface_name="MgO(100)-A-oxidised", excess_oxygen=2, surface_energy=0.1),
    ]
    assert partner(measured(), *slabs) == "whole"
    assert partner(measured(face="oxidised"), *slabs) == "oxidised"
    assert partner(measured(face="reduced"), *slabs) == "reduced"
    assert "whose face is stoichiometric" in reason(measured(), slabs[1])


def test_flagged_results_are_compared_on_request_and_failed_ones_never() -> None:
    row = measured(formula="CaO")
    flagged = flagged_result("f", space_group_number=225)
    assert "--flagged" in reason(row, flagged)
    assert len(compare([row], [flagged], flagged=True).compared) == 1
    other = result("other", formula="CaO", surface_name="CaO(111)-C", surface_energy=9.0)
    film = measured(formula="CaO", orientations=())
    assert partner(film, other) == "other"
    assert partner(film, flagged, other) is None, "the next surface is not what was measured"
    assert f"{flagged.surface_name}, the surface of lowest energy" in reason(film, flagged, other)
    failed = failed_result("z", space_group_number=186)
    assert compare([measured(formula="ZnO", space_group=186)], [failed]).compared == []


def test_several_methods_are_refused_unless_asked_for() -> None:
    rows = [measured(), measured(formula="CaO")]
    results = [result(), result("b", formula="CaO", functional="hse06")]
    with pytest.raises(MixedMethodsError, match="2 methods: ddh, hse06"):
        compare(rows, results)
    assert compare(rows, results, mixed=True).methods == ["ddh", "hse06"]


def test_a_report_is_plain_values() -> None:
    plain = as_dict(compare([measured(), measured(formula="CaO")], [result()]))
    assert plain["compared"][0]["identifier"] == "a"
    assert plain["compared"][0]["source"].startswith("A. Klein")
    assert plain["without_result"][0]["reason"] == "no result of CaO"
    assert plain["summary"]["ionization_potential"]["number"] == 1
    assert plain["summary"]["electron_affinity"] is None
