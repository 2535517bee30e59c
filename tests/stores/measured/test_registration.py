"""Registration of measured and foreign levels: templates, mistakes that are explained, and the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from stored_results import passed_result, store

from surfalign.errors import (
    ConfigurationError,
    MissingFileError,
    PhysicsInputError,
    RegistrationError,
)
from surfalign.settings import load_settings
from surfalign.stores.contacts.surfaces import find_surface, no_surfaces
from surfalign.stores.database import Database
from surfalign.stores.documents import ResultState
from surfalign.stores.measured.comparison import compare
from surfalign.stores.measured.registration import (
    as_document,
    measurements,
    read_entries,
    register,
    remove,
)
from surfalign.stores.measured.templates import example, find_template, templates
from surfalign.stores.query import results
from surfalign.stores.query.exports import plain_values
from surfalign.stores.query.pages import listed
from surfalign.stores.screening.candidates import from_results
from surfalign.stores.vocabulary import Origin


def entry(**fields: Any) -> dict[str, Any]:
    given = {
        "template": "ups",
        "formula": "O2Ti",
        "phase": "rutile",
        "space_group": 136,
        "orientation": [1, 1, 0],
        "grade": "A",
        "ionization_potential": "7.40 eV",
        "ionization_potential_uncertainty": "0.15 eV",
        "photon_energy": "21.22 eV",
        "reference": "A. Author, J. Example 1, 23 (2026)",
        "doi": "10.1000/example",
    }
    return {name: value for name, value in (given | fields).items() if value is not None}


def test_an_entry_becomes_a_result_marked_by_its_origin() -> None:
    document = as_document(entry())
    assert (document.state, document.origin) == (ResultState.REGISTERED, Origin.MEASURED)
    assert document.surface_name == "TiO2(110) measured"
    assert (document.ionization_potential, document.electron_affinity) == (7.4, None)
    assert document.functional == "UPS"
    known = document.registration
    assert known is not None
    assert known.uncertainties == {"ionization_potential": 0.15}
    assert known.details == {"photon_energy (eV)": 21.22}
    assert as_document(entry()).identifier == document.identifier
    assert as_document(entry(note="again")).identifier != document.identifier


def test_levels_computed_by_others_keep_their_method() -> None:
    document = as_document(
        entry(
            template="computed",
            grade=None,
            photon_energy=None,
            functional="hse06",
            code="VASP 6",
            relaxed=False,
            slab_thickness="18 angstrom",
        )
    )
    assert document.origin is Origin.FOREIGN
    assert (document.functional, document.relaxed, document.slab_thickness) == ("hse06", False, 18)


@pytest.mark.parametrize("name", templates())
def test_the_example_of_a_template_can_be_registered(name: str, tmp_path: Path) -> None:
    text = example(find_template(name))
    path = tmp_path / "my.yaml"
    path.write_text(text)
    [document] = read_entries(path)
    assert document.registration is not None
    assert document.registration.template == name
    all_fields = "\n".join(
        line.removeprefix("# ")
        for line in text.splitlines()
        if line.removeprefix("# ").partition(":")[0] in (*find_template(name).fields, "template")
    )
    path.write_text(all_fields)
    assert len(yaml.safe_load(all_fields)) == len(find_template(name).fields) + 1
    assert len(read_entries(path)) == 1


@pytest.mark.parametrize(
    ("fields", "found", "told"),
    [
        ({"ionization_potential": "7400 meV"}, "given in 'meV'", "ionization_potential: 7.4 eV"),
        ({"ionization_potential": 7.4}, "without a unit", "write ionization_potential: 7.4 eV"),
        ({"ionization_potential": "7.4 V"}, "given in 'V'", "7.4 eV, if that is meant"),
        ({"ionization_potential": "about 7 eV"}, "no number with a unit", "7.40 eV"),
        ({"ionization_potential": "nan eV"}, "no number with a unit", "7.40 eV"),
        ({"ionization_potential": "74 eV"}, "74.0 eV", "at most 25"),
        ({"ionization_potential": True}, "is True", "Vacuum level - VBM"),
        ({"ionization_potential": None}, "ionization_potential is missing", "7.40 eV"),
        ({"ionisation_potential": "7 eV"}, "no field 'ionisation_potential'", "ionization_potential"),
        ({"grade": "D"}, "grade is 'D'", "one of A, B, C"),
        ({"orientation": [1, 1]}, "orientation is", "Miller index"),
        ({"orientation": [0, 0, 0]}, "(0, 0, 0)", "name a plane"),
        ({"space_group": 231}, "space_group is 231", "at most 230"),
        ({"formula": "Unobtainium"}, "formula is 'Unobtainium'", "TiO2"),
        ({"doi": "none"}, "doi is 'none'", "10.1000/example"),
        ({"reference": None}, "reference is missing", "J. Example"),
        ({"template": "xps2"}, "no template 'xps2'", "one of computed, ipes, ups, yield"),
    ],
)  # fmt: skip
def test_a_mistake_is_explained(fields: dict[str, Any], found: str, told: str) -> None:
    with pytest.raises((RegistrationError, ConfigurationError)) as caught:
        as_document(entry() | fields if None not in fields.values() else entry(**fields))
    assert found in caught.value.found
    assert told in f"{caught.value.expected} {caught.value.remedy}"


@pytest.mark.parametrize(
    "text", ["", "ups", "[1, 2]", "{a: 1}", "a: [", "\0", "- {template: [ups]}"]
)
def test_a_file_that_holds_no_entry_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(text)
    with pytest.raises((RegistrationError, ConfigurationError), match="To do"):
        read_entries(path)
    with pytest.raises(MissingFileError):
        read_entries(tmp_path / "none.yaml")


def test_the_entry_of_a_list_that_is_wrong_is_named(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(yaml.safe_dump([entry(), entry(grade="D")]))
    with pytest.raises(RegistrationError, match=r"entry 2 of .*my.yaml: grade is 'D'"):
        read_entries(path)


def test_levels_that_contradict_each_other_are_noted() -> None:
    [note] = as_document(entry(electron_affinity="4.3 eV", band_gap="2.0 eV")).warnings
    assert note == "IP - EA = 3.10 eV is not the given band gap of 2.00 eV."
    assert as_document(entry(electron_affinity="4.3 eV", band_gap="3.1 eV")).warnings == []


def test_a_laboratory_adds_templates_and_changes_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURFALIGN_TEMPLATE_DIRECTORY", str(tmp_path))
    (tmp_path / "beamline.json").write_text(
        '{"title": "Our beamline", "origin": "measured", "technique": "XPS", "required": ["run"],'
        ' "properties": {"run": {"type": "integer", "minimum": 1}, "sample": {"minLength": 3}}}'
    )
    with pytest.raises(RegistrationError, match="run is missing"):
        as_document(entry(template="beamline", photon_energy=None))
    document = as_document(entry(template="beamline", photon_energy=None, run=7))
    assert document.registration is not None
    assert document.registration.details == {"run": 7}
    with pytest.raises(RegistrationError, match="sample is 'x'"):
        as_document(entry(template="beamline", photon_energy=None, run=7, sample="x"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "is no template"),
        ("title: A\norigin: measured", "it has no 'properties'"),
        ("title: A\norigin: computed\nproperties: {}", "origin is computed"),
        ("title: A\norigin: foreign\nproperties: {}", "required field functional"),
        ("title: A\norigin: measured\nproperties: {a: {type: nothing}}", "is no template"),
        ("a: [", "is no template"),
    ],
)
def test_a_file_that_is_no_template_is_named(
    text: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURFALIGN_TEMPLATE_DIRECTORY", str(tmp_path))
    (tmp_path / "ours.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=reason) as caught:
        templates(load_settings())
    assert "ours.yaml" in caught.value.found


def test_registered_levels_stand_beside_computed_ones_and_are_told_apart(
    database: Database,
) -> None:
    store(database, passed_result("mgo"))
    database.collection("surface_levels").update_one(
        {}, {"$unset": {"origin": ""}}
    )  # an earlier one
    documents = [as_document(entry())]
    assert register(database, documents) == [documents[0].identifier]
    assert register(database, documents) == []
    found = {
        query: [d.formula for d in results.find(database, query)]
        for query in (
            "origin = computed", "origin = measured", "origin != computed", "not origin = measured",
            "origin in (computed, foreign)", "origin not in (computed)", "state = registered",
            "registration.technique = UPS", "registration.uncertainties.ionization_potential < 0.2",
        )
    }  # fmt: skip
    assert found == {
        "origin = computed": ["MgO"],
        "origin = measured": ["TiO2"],
        "origin != computed": ["TiO2"],
        "not origin = measured": ["MgO"],
        "origin in (computed, foreign)": ["MgO"],
        "origin not in (computed)": ["TiO2"],
        "state = registered": ["TiO2"],
        "registration.technique = UPS": ["TiO2"],
        "registration.uncertainties.ionization_potential < 0.2": ["TiO2"],
    }
    assert results.methods(database) == listed(database).methods == {"ddh": 1}
    values = plain_values(results.get(database, documents[0].identifier))
    assert (values["origin"], values["registration.technique"]) == ("measured", "UPS")
    with pytest.raises(RegistrationError, match="no registered levels"):
        remove(database, "mgo")
    remove(database, documents[0].identifier)
    assert results.count(database) == 1


def test_what_needs_computed_levels_takes_no_registered_ones(database: Database) -> None:
    fields = {"functional": "hse06", "code": "VASP", "electron_affinity": "4.3 eV"}
    foreign = as_document(entry(template="computed", grade=None, photon_energy=None, **fields))
    register(database, [foreign])
    candidates = from_results([foreign], flagged=True)
    assert [reason for _, reason in candidates.left_out] == ["registered, not computed here"]
    with pytest.raises(PhysicsInputError, match="was registered"):
        find_surface(database, foreign.identifier, no_surfaces(), flagged=True)


def test_registered_measurements_join_the_comparison_and_are_no_results_of_it() -> None:
    measured = as_document(
        entry(formula="MgO", phase="rocksalt", space_group=225, orientation=[1, 0, 0])
    )
    foreign = as_document(
        entry(
            template="computed",
            grade=None,
            photon_energy=None,
            functional="ddh",
            code="x",
            formula="MgO",
            space_group=225,
            orientation=[1, 0, 0],
        )
    )
    computed = passed_result("mgo", space_group_number=225)
    rows = list(measurements([measured, foreign]))
    report = compare(rows, [computed, measured, foreign], flagged=True)
    [compared] = report.compared
    assert compared.result.identifier == "mgo"
    assert compared.measured.source.startswith("A. Author, J. Example 1, 23 (2026), doi 10.1000")
    assert report.without_measurement == []
