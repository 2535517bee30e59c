from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stored_results import failed_result, flagged_result, passed_result

from surfalign.errors import (
    ConfigurationError,
    DocumentNotFoundError,
    MissingFileError,
    MixedMethodsError,
    PhysicsInputError,
)
from surfalign.physics.contacts.anderson import JunctionType, set_junctions
from surfalign.physics.contacts.schemes import Demands, Scheme
from surfalign.stores.contacts import junction_records as records
from surfalign.stores.contacts.refusals import check_methods, require_partners
from surfalign.stores.contacts.surfaces import (
    ContactSurfaces,
    find_surface,
    no_surfaces,
    read_predictions,
    sides_of,
)
from surfalign.stores.screening.candidates import from_results
from surfalign.stores.screening.level_errors import result_distribution

MGO = passed_result("mgo", ionization_potential=7.5, electron_affinity=-0.4)
ZNO = passed_result("zno", formula="ZnO", surface_name="ZnO(100)-A", ionization_potential=7.8,
                    electron_affinity=4.4)  # fmt: skip
TIO2 = passed_result("tio2", formula="TiO2", surface_name="TiO2(110)-A", ionization_potential=7.4,
                     electron_affinity=4.3)  # fmt: skip


def sides(*documents: Any, flagged: bool = False) -> ContactSurfaces:
    return sides_of(from_results(documents, flagged=flagged))


def prediction(**fields: Any) -> dict[str, Any]:
    return {
        "name": "CaO(100)-A", "ionization_potential": 6.0, "electron_affinity": 0.0,
        "interval_90": {"ionization_potential": [5.0, 7.0], "electron_affinity": [-1.0, 1.0]},
        "in_domain": True, "model": "levels v1",
    } | fields  # fmt: skip


def written(path: Path, *predictions: dict[str, Any]) -> Path:
    path.write_text(json.dumps(predictions))
    return path


def test_a_junction_is_that_of_the_second_surface_against_the_first() -> None:
    record = records.junction_record(sides(MGO), sides(ZNO), 0.45)
    assert (record["first"]["name"], record["second"]["name"]) == ("MgO(100)-A", "ZnO(100)-A")
    assert record["valence_offset"] == pytest.approx(-0.3)
    assert record["conduction_offset"] == pytest.approx(-4.8)
    assert record["type"] == "II"
    assert sum(record["probabilities"].values()) == pytest.approx(1.0, abs=0.002)


def test_the_errors_of_a_junction_hold_those_of_the_stored_levels() -> None:
    record = records.junction_record(sides(MGO), sides(ZNO), 0.0)
    variances = [result_distribution([d]).covariances[0, 0, 0] for d in (MGO, ZNO)]
    assert record["valence_offset_error"] == pytest.approx(np.sqrt(sum(variances)), abs=1e-4)


def test_a_surface_on_itself_is_no_junction() -> None:
    with pytest.raises(PhysicsInputError, match="a junction of mgo with itself"):
        records.junction_record(sides(MGO), sides(MGO), 0.45)


def test_two_results_of_one_surface_make_no_junction() -> None:
    one, other = (
        passed_result(name, source="library:MgO", functional=functional, surface_identifier=name)
        for name, functional in (("one", "ddh"), ("other", "hse06"))
    )
    with pytest.raises(PhysicsInputError, match=r"MgO\(100\)-A with itself: one and other"):
        records.junction_record(sides(one), sides(other), 0.45)
    listed = sides(one, other, ZNO, TIO2)
    found = records.partner_records(listed, 0, 0.45, JunctionType.STAGGERED)
    assert {record["second"]["identifier"] for record in found} == {"zno", "tio2"}
    made = records.matrix(listed, 0.45)
    assert made.types[:2, :2].tolist() == [[JunctionType.NONE] * 2] * 2
    file = io.StringIO()
    records.write_matrix(listed, made, 0.45, file)
    plain = json.loads(file.getvalue(), parse_constant=lambda word: pytest.fail(word))
    assert plain["probability_I"][0][:2] == plain["valence_offset"][1][:2] == [None, None]
    pairs = records.scheme_records(listed, Scheme.TYPE_II, Demands(-1.0, -5.0), 0.45, 99)
    named = [{r["first"]["name"], r["second"]["name"]} for r in pairs]
    assert len(named) > 1
    assert all(len(pair) == 2 for pair in named)
    with pytest.raises(DocumentNotFoundError, match="one surface with levels"):
        require_partners(sides(one, other))


def test_metals_are_refused_by_their_names_with_a_remedy_that_suits() -> None:
    metal = passed_result("ruo2", formula="RuO2", surface_name="RuO2(110)-A",
                          ionization_potential=5.0, electron_affinity=5.0)  # fmt: skip
    name = r"RuO2\(110\)-A \(ruo2: 0.00 eV\)"
    with pytest.raises(PhysicsInputError, match=f"{name}.*name surfaces with a gap"):
        records.junction_record(sides(MGO), sides(metal), 0.45)
    listed, demands = sides(MGO, metal, ZNO), Demands(-4.44, -5.67)
    for search in (
        lambda: records.matrix(listed, 0.45),
        lambda: records.partner_records(listed, 0, 0.45, JunctionType.STAGGERED),
        lambda: records.scheme_records(listed, Scheme.Z_SCHEME, demands, 0.45, 5),
    ):
        with pytest.raises(PhysicsInputError, match=f"{name}.*by the query: band_gap > 0 eV"):
            search()
    with pytest.raises(PhysicsInputError, match="name a surface with a gap"):
        records.partner_records(listed, 1, 0.45, JunctionType.STAGGERED)


def test_failed_results_and_flagged_ones_are_left_out_unless_asked_for() -> None:
    documents = (MGO, flagged_result("f"), failed_result("z"))
    assert [s.identifier for s in sides(*documents).surfaces] == ["mgo"]
    assert [s.remarks for s in sides(*documents, flagged=True).surfaces] == [(), ("slab_centre",)]


def test_partners_are_sorted_by_the_probability_of_the_wanted_type() -> None:
    listed = sides(MGO, ZNO, TIO2)
    found = records.partner_records(listed, 0, 0.45, JunctionType.STAGGERED)
    chances = [record["probabilities"]["II"] for record in found]
    assert len(found) == 2
    assert chances == sorted(chances, reverse=True)
    assert all(record["first"]["identifier"] == "mgo" for record in found)


def test_a_matrix_lists_each_pair_once_and_writes_all() -> None:
    listed = sides(MGO, ZNO, TIO2)
    made = set_junctions(listed.levels)
    best = records.likeliest_pairs(listed, made, JunctionType.STAGGERED, 10)
    assert len(best) == 3
    file = io.StringIO()
    records.write_matrix(listed, made, 0.45, file)
    plain = json.loads(file.getvalue())
    assert plain["valence_offset"][0] == [None, pytest.approx(-0.3), pytest.approx(0.1)]
    assert plain["type"][0][0] is None
    assert plain["type"][0][1] == "II"
    assert plain["surfaces"][0]["name"] == "MgO(100)-A"
    total = sum(plain[f"probability_{name}"][0][1] for name in ("I", "II", "III"))
    assert total == pytest.approx(1.0, abs=0.001)


def test_sets_whose_pairs_would_fill_the_memory_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(records, "LARGEST_SET", 2)
    listed = sides(MGO, ZNO, TIO2)
    with pytest.raises(PhysicsInputError, match="3 surfaces, which make 9 pairs"):
        records.matrix(listed, 0.45)
    with pytest.raises(PhysicsInputError, match="at most 2 surfaces"):
        records.scheme_records(listed, Scheme.Z_SCHEME, Demands(-4.44, -5.67), 0.45, 5)


def test_pairs_of_a_scheme_name_the_upper_surface_first() -> None:
    found = records.scheme_records(
        sides(ZNO, MGO, TIO2), Scheme.Z_SCHEME, Demands(-4.44, -5.67), 0.45, 5
    )
    assert found[0]["scheme"] == "z-scheme"
    assert all(record["valence_offset"] < 0.5 for record in found)
    assert [r["probability"] for r in found] == sorted(
        (r["probability"] for r in found), reverse=True
    )


def test_several_methods_are_refused_unless_asked_for() -> None:
    listed = sides(MGO, passed_result("b", functional="hse06"))
    with pytest.raises(MixedMethodsError, match="2 methods: ddh, hse06"):
        check_methods(listed, mixed=False)
    check_methods(listed, mixed=True)
    assert listed.methods == ["ddh", "hse06"]


def test_predictions_are_read_with_their_intervals(tmp_path: Path) -> None:
    found = read_predictions(written(tmp_path / "p.json", prediction(in_domain=False)))
    [surface] = found.surfaces
    assert (surface.name, surface.method) == ("CaO(100)-A", "predicted by levels v1")
    assert surface.remarks == ("outside domain",)
    assert found.levels.means[0] == pytest.approx([6.0, 0.0])
    assert np.sqrt(found.levels.covariances[0, 0, 0]) == pytest.approx(1 / 1.6449, abs=1e-4)
    own = find_surface(None, "CaO(100)-A", found, flagged=False)
    assert own.surfaces == found.surfaces
    with pytest.raises(DocumentNotFoundError, match="no surface 'MgO'"):
        find_surface(None, "MgO", found, flagged=False)


def test_files_that_hold_no_predictions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no file"):
        read_predictions(tmp_path / "absent.json")
    (tmp_path / "odd.json").write_text('{"a": 1}')
    with pytest.raises(ConfigurationError, match="does not hold predictions"):
        read_predictions(tmp_path / "odd.json")
    unbounded = prediction(interval_90={"ionization_potential": [None, None]})
    with pytest.raises(ConfigurationError, match="no prediction of both levels"):
        read_predictions(written(tmp_path / "p.json", unbounded))


def test_lists_are_joined_without_repeats_and_taken_apart_again() -> None:
    joined = sides(MGO).joined(sides(ZNO, MGO)).joined(no_surfaces())
    assert [s.identifier for s in joined.surfaces] == ["mgo", "zno"]
    assert joined.levels.means[:, 0] == pytest.approx([7.5, 7.8])
    assert joined.named(["zno"]).levels.means[0, 0] == pytest.approx(7.8)


def test_faces_of_one_crystal_by_one_method_are_told_from_others() -> None:
    faces = [passed_result(name, source="library:MgO") for name in "ab"]
    other = passed_result("c", source="library:MgO", functional="hse06")
    listed = sides(*faces, other, MGO, passed_result("d"))
    same = listed.same_crystal(listed)
    assert same[0].tolist() == [True, True, False, False, False]
    assert same.sum() == 4 + 3
