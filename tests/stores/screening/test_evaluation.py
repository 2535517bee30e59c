from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm
from stored_results import failed_result, flagged_result, passed_result, record, store

from surfalign.errors import ConfigurationError, PhysicsInputError, QuestionError
from surfalign.physics.contacts.anderson import all_junctions
from surfalign.physics.levels.distribution import LevelDistribution
from surfalign.stores.database import Database
from surfalign.stores.screening.candidates import (
    Candidate,
    Candidates,
    element_symbols,
    file_candidates,
    from_results,
    stored_candidates,
    without_elements,
)
from surfalign.stores.screening.evaluation import by_formula, screen
from surfalign.stores.screening.question import Terms, ask
from surfalign.stores.screening.report import as_json, counted_reasons
from surfalign.stores.screening.rules import load_rule

WATER = ask(load_rule("water-splitting"), Terms())
#: Inside of the rule at pH 0: EA below 4.44, IP above 5.669, gap between 1.23 and 4 eV.
GOOD, SHALLOW, DEEP, WIDE = (6.5, 3.5), (5.0, 3.0), (7.5, 5.5), (8.0, 2.0)


def candidates(
    *levels: tuple[float, float], deviation: float = 0.0, **fields: object
) -> Candidates:
    surfaces = tuple(
        Candidate(f"X{i}O(100)-A", f"{'MgCaSrBa'[2 * i : 2 * i + 2]}O", "computed", **fields)  # type: ignore[arg-type]
        for i in range(len(levels))
    )
    covariances = np.tile(np.eye(2) * deviation**2, (len(levels), 1, 1))
    return Candidates(surfaces, (LevelDistribution.normal(np.array(levels), covariances),))


def test_certain_levels_meet_the_rule_or_miss_it_and_the_reason_is_named() -> None:
    answer = screen(WATER, candidates(SHALLOW, GOOD, DEEP, WIDE))
    assert answer.probabilities.tolist() == [1.0, 0.0, 0.0, 0.0]
    found = {s.name: answer.reason(i) for i, s in enumerate(answer.surfaces)}
    assert found["X1O(100)-A"] == ""
    assert found["X0O(100)-A"] == "valence band -5.00 eV, 0.67 above O2/H2O (-5.67 eV)"
    assert found["X2O(100)-A"] == "conduction band -5.50 eV, 1.06 below H+/H2 (-4.44 eV)"
    assert found["X3O(100)-A"] == "gap 6.00 eV, 2.00 above 4.00 eV"


def test_a_single_uncertain_level_gives_the_normal_probability() -> None:
    contact = ask(load_rule("n-contact"), Terms(work_function=4.3))
    (chance,) = screen(contact, candidates((7.0, 4.2), deviation=0.3)).probabilities
    # EA above 4.0, by 0.3 and by the dipole of a contact, whose mean size is 0.45 eV.
    dipole = 0.45 * np.sqrt(np.pi / 2)
    assert chance == pytest.approx(norm.sf(4.0, 4.2, np.hypot(0.3, dipole)))


def test_the_error_of_a_contact_is_that_of_a_junction() -> None:
    contact = ask(load_rule("n-contact"), Terms())
    errors = screen(contact, candidates((7.0, 4.2))).deviations[0]
    one, other = (
        LevelDistribution.normal(np.array([x]), np.zeros((1, 2, 2))) for x in (GOOD, DEEP)
    )
    made = all_junctions(one, other, contact.rule.alignment_error)
    assert errors == pytest.approx(
        [made.valence_deviations[0, 0], made.conduction_deviations[0, 0]]
    )


def test_in_water_both_levels_are_smaller_by_half_an_electronvolt() -> None:
    asked = ask(load_rule("water-splitting"), Terms(in_water=True))
    answer = screen(asked, candidates(DEEP, GOOD))
    assert answer.levels[0] == pytest.approx(np.array(GOOD) - 0.5)


def test_the_level_of_a_couple_rises_with_ph_and_excludes_what_it_passes() -> None:
    surfaces = candidates((6.5, 4.1))
    chances = [
        float(screen(ask(load_rule("water-splitting"), Terms(ph=ph)), surfaces).probabilities[0])
        for ph in (0.0, 5.0, 6.0)
    ]
    assert chances == [1.0, 1.0, 0.0]  # H+/H2 is at -4.144 eV at pH 5, at -4.085 eV at pH 6


def test_a_known_dielectric_constant_decides_and_an_unknown_one_is_named() -> None:
    asked = ask(load_rule("gate-dielectric"), Terms())
    known = [candidates((9.0, 0.5), dielectric_constant=c) for c in (2.0, 3.2, None)]
    answers = [screen(asked, one) for one in known]
    assert [round(float(a.probabilities[0]), 3) for a in answers] == [0.0, 1.0, 1.0]
    assert answers[0].reason(0) == "dielectric constant 2.00, 0.90 below 2.90"
    assert answers[2].unknown(0) == ["dielectric constant"]


def test_equal_probabilities_are_ranked_by_how_far_inside_the_levels_lie() -> None:
    answer = screen(WATER, candidates((6.5, 4.4), (6.5, 3.6)))
    assert [surface.name for surface in answer.surfaces] == ["X1O(100)-A", "X0O(100)-A"]


def test_formulas_have_their_best_their_worst_and_the_mean_over_the_areas() -> None:
    found = candidates(GOOD, DEEP)
    found = Candidates(
        tuple(
            Candidate(name, "MgO", "computed", surface_identifier=name) for name in ("good", "deep")
        ),
        found.distributions,
    )
    (row,) = by_formula(screen(WATER, found), {"good": 0.6, "deep": 0.2})
    assert (row.best, row.worst) == ((1.0, "good"), (0.0, "deep"))
    assert row.area_weighted == pytest.approx(0.75)
    assert row.area_known == pytest.approx(0.8)
    assert by_formula(screen(WATER, found))[0].area_weighted is None


def test_the_shapes_of_polymorphs_are_counted_apart() -> None:
    surfaces = tuple(
        Candidate(name, "TiO2", "computed", crystal=name, surface_identifier=name)
        for name in ("rutile", "anatase")
    )
    found = Candidates(surfaces, candidates(GOOD, DEEP).distributions)
    (row,) = by_formula(screen(WATER, found), {"rutile": 0.9, "anatase": 0.9})
    assert row.area_weighted == pytest.approx(0.5)
    assert row.area_known == pytest.approx(0.9)


def test_area_fractions_of_results_reach_the_formulas() -> None:
    results = [
        passed_result("a", surface_identifier="a", area_fraction=0.7),
        passed_result("b", surface_identifier="b"),
    ]
    found = from_results(results)
    assert found.area_fractions == {"a": 0.7}
    (row,) = by_formula(screen(WATER, found), found.area_fractions)
    assert row.area_known == pytest.approx(0.7)


def test_failed_and_flagged_results_and_unknown_methods_are_left_out_with_the_reason() -> None:
    results = [
        passed_result("a"),
        flagged_result("b"),
        failed_result("c"),
        passed_result("d", functional="scan"),
        passed_result("e", electron_affinity=None),
    ]
    found = from_results(results)
    assert [c.identifier for c in found.surfaces] == ["a"]
    assert [reason for _, reason in found.left_out] == [
        "flagged: slab_centre (--flagged uses it)",
        "failed: ConvergenceError",
        "nothing is known of the error of scan",
        "without IP or EA",
    ]
    assert counted_reasons(found.left_out)["flagged"] == 1
    marked = from_results(results, flagged=True).surfaces[1]
    assert (marked.identifier, marked.remarks) == ("b", ("slab_centre",))


def test_elements_to_avoid_leave_their_surfaces_out() -> None:
    found = from_results([passed_result("a"), passed_result("b", formula="PbO")])
    kept = without_elements(found, frozenset({"Pb"}))
    assert [c.identifier for c in kept.surfaces] == ["a"]
    assert len(kept.distributions[0]) == 1
    assert kept.left_out[-1][1] == "holds Pb"
    assert without_elements(found, frozenset({"O"})).surfaces == ()


def test_stored_results_and_those_of_a_file_are_the_same(
    database: Database, tmp_path: Path
) -> None:
    results = [passed_result("a"), flagged_result("b"), failed_result("c")]
    store(database, *results)
    records = [record(result) for result in results]
    plain, lines = tmp_path / "levels.json", tmp_path / "levels.jsonl.gz"
    plain.write_text(json.dumps(records, default=str))
    lines.write_bytes(
        gzip.compress("\n".join(json.dumps(r, default=str) for r in records).encode())
    )
    query = "ionization_potential > 1 or formula = ZnO"
    stored = stored_candidates(database, query, flagged=True)
    assert [c.identifier for c in stored.surfaces] == ["a", "b"]
    for path in (plain, lines):
        found = file_candidates(path, query, flagged=True)
        assert found.surfaces == stored.surfaces
        assert found.left_out == stored.left_out


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b'[{"formula": "MgO"}]', b"\xff\x00"])
def test_a_file_without_results_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "levels.json"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="holds no results"):
        file_candidates(path)
    with pytest.raises(ConfigurationError, match="holds no results"):
        file_candidates(tmp_path / "levels.json.gz")


def test_the_json_holds_the_rule_its_numbers_and_every_reason() -> None:
    answer = screen(WATER, candidates(GOOD, DEEP, deviation=0.1))
    plain = json.loads(json.dumps(as_json(answer)))
    assert plain["rule"]["name"] == "water-splitting"
    assert plain["terms"]["hydrogen_electrode"] == -4.44
    assert plain["surfaces"][1]["conditions"][0]["excess"] == pytest.approx(-1.06)
    assert plain["surfaces"][0]["ionization_potential_error"] == pytest.approx(0.1)
    assert [row["formula"] for row in plain["formulas"]] == ["MgO", "CaO"]


def test_nothing_to_screen_is_an_empty_answer() -> None:
    assert len(screen(WATER, Candidates()).surfaces) == 0


def test_candidates_need_finite_levels() -> None:
    with pytest.raises(PhysicsInputError, match="finite"):
        candidates((np.nan, 1.0))


def test_elements_are_read_from_lists() -> None:
    assert element_symbols(["Pb,Cd", " Hg "], "--without") == {"Pb", "Cd", "Hg"}
    assert element_symbols([], "--without") == frozenset()
    with pytest.raises(QuestionError, match="--only names Xx, which is no element"):
        element_symbols(["Pb,Xx"], "--only")
