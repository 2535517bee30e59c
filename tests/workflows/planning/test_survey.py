"""Planning a campaign: filters, duplicates, balance, restart."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from typer.testing import CliRunner

from surfalign.launchers.cli.main import app
from surfalign.workflows.planning.crystals import Candidate, find_candidates
from surfalign.workflows.planning.survey import (
    PlannedSurface,
    PlanSettings,
    deal,
    examine,
    ordered,
    survey_crystal,
)

runner = CliRunner()


def _rocksalt(metal: str, a: float) -> Structure:
    return Structure.from_spacegroup(225, Lattice.cubic(a), [metal, "O"], [[0, 0, 0], [0.5] * 3])


def _rutile(metal: str, a: float, c: float) -> Structure:
    return Structure.from_spacegroup(
        136, Lattice.tetragonal(a, c), [metal, "O"], [[0, 0, 0], [0.305, 0.305, 0]]
    )


RECORDS: list[dict[str, Any]] = [
    {"mp_id": "a", "structure": _rocksalt("Mg", 4.21).as_dict(), "gap_mp_ev": 4.5},
    {"mp_id": "b", "structure": _rocksalt("Mg", 4.25).get_primitive_structure().as_dict()},
    {"mp_id": "c", "structure": _rocksalt("Ca", 4.81).as_dict(), "ehull_ev_atom": 0.0},
    {"mp_id": "d", "structure": _rutile("Ti", 4.594, 2.959).as_dict(), "max_magmom": 0.0},
    {"mp_id": "e", "structure": _rutile("Sn", 4.737, 3.186).as_dict()},
    {"mp_id": "metal", "structure": _rocksalt("Ba", 5.54).as_dict(), "gap_mp_ev": 0.0},
    {"mp_id": "strained", "structure": _rocksalt("Sr", 5.16).as_dict(), "ehull_ev_atom": 0.4},
    {"mp_id": "magnet", "structure": _rocksalt("Mn", 4.44).as_dict()},
]


@pytest.fixture
def crystals(tmp_path: Path) -> Path:
    path = tmp_path / "crystals.json"
    path.write_text(json.dumps(RECORDS))
    return path


def _plan(crystals: Path, output: Path, *options: str) -> list[dict[str, Any]]:
    result = runner.invoke(
        app,
        ["plan", str(crystals), "-o", str(output), "--max-index", "1", "--cores", "1", *options],
    )
    assert result.exit_code == 0, (result.output, result.exception)
    return [json.loads(line) for line in output.read_text().splitlines()]


def test_plan_holds_settings_crystals_and_surfaces(crystals: Path, tmp_path: Path) -> None:
    lines = _plan(crystals, tmp_path / "plan.jsonl")
    kinds = Counter(line["kind"] for line in lines)
    assert kinds["settings"] == 1
    assert {x["source"] for x in lines if x["kind"] == "crystal"} == {
        "crystals:a", "crystals:c", "crystals:d", "crystals:e",
    }  # fmt: skip
    surfaces = [x for x in lines if x["kind"] == "surface"]
    assert len({x["identifier"] for x in surfaces}) == len(surfaces) == kinds["surface"]
    keys = {x["key"] for x in lines if x["kind"] == "crystal"}
    assert {x["crystal"] for x in surfaces} == keys
    assert {"MgO(100)-A", "CaO(110)-A", "TiO2(110)-B-O/Ti2O2"} <= {x["name"] for x in surfaces}


def test_plan_does_not_depend_on_the_order_of_its_input(crystals: Path, tmp_path: Path) -> None:
    first = _plan(crystals, tmp_path / "first.jsonl", "--limit", "9")
    shuffled = RECORDS.copy()
    random.Random(3).shuffle(shuffled)
    crystals.write_text(json.dumps(shuffled))
    assert _plan(crystals, tmp_path / "second.jsonl", "--limit", "9") == first


def test_limit_is_shared_among_formulas(crystals: Path, tmp_path: Path) -> None:
    lines = _plan(crystals, tmp_path / "plan.jsonl", "--limit", "6")
    formulas = Counter(x["formula"] for x in lines if x["kind"] == "surface")
    assert sum(formulas.values()) == 6
    assert max(formulas.values()) - min(formulas.values()) <= 1
    assert len(formulas) == 4


def test_interrupted_plan_goes_on(crystals: Path, tmp_path: Path) -> None:
    output = tmp_path / "plan.jsonl"
    whole = _plan(crystals, output)
    # What a killed run leaves: some surveys, and half a line.
    settings = {k: v for k, v in whole[0].items() if k != "kind"}
    key = next(x["key"] for x in whole if x["kind"] == "crystal" and x["formula"] == "CaO")
    partial = tmp_path / "plan.jsonl.partial"
    partial.write_text(json.dumps(settings) + "\n" + json.dumps([key, "time_limit"]) + '\n["x", [{')
    again = _plan(crystals, output)
    # The survey that was done is not done again: here it says that CaO took too long.
    assert {x["formula"] for x in again if x["kind"] == "surface"} == {"MgO", "TiO2", "SnO2"}
    assert not partial.exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [("metal", "small_band_gap"), ("strained", "unstable"), ("magnet", "MagneticIonError")],
)
def test_refusals_have_names(crystals: Path, name: str, reason: str) -> None:
    (candidate,) = [c for c in find_candidates([str(crystals)]) if c.source.endswith(":" + name)]
    assert examine(candidate, PlanSettings()) == reason


def test_elements_are_selected(crystals: Path) -> None:
    candidates = {c.source.split(":")[1]: c for c in find_candidates([str(crystals)])}
    only_titanium = PlanSettings(elements=("Ti",))
    assert examine(candidates["a"], only_titanium) == "elements"
    assert not isinstance(examine(candidates["d"], only_titanium), str)
    assert examine(candidates["d"], PlanSettings(without=("Ti",))) == "elements"


def test_duplicate_crystals_are_dropped(crystals: Path) -> None:
    candidates = [c for c in find_candidates([str(crystals)]) if c.source[-2:] in (":a", ":b")]
    examined = [examine(c, PlanSettings()) for c in candidates]
    crystals_found = [c for c in examined if not isinstance(c, str)]
    unique, n_duplicates = ordered(crystals_found)
    assert [c.source for c in unique] == ["crystals:a"]
    assert n_duplicates == 1


def _tilted(tilt: float) -> Structure:
    """CaTiO3 with a part of its tilts; the space group is the same for all."""
    ideal = np.array([[0, 0.25, 0], [0, 0, 0.5], [0.5, 0.25, 0], [0.25, 0, 0.75]])
    shift = [[0.036, 0, -0.007], [0, 0, 0], [-0.016, 0, 0.071], [0.039, 0.037, -0.039]]
    lattice = Lattice.orthorhombic(5.381, 7.645, 5.443)
    positions = ideal + tilt * np.array(shift)
    return Structure.from_spacegroup(62, lattice, ["Ca", "Ti", "O", "O"], positions)


def test_polymorphs_of_one_space_group_stay_and_copies_of_each_go() -> None:
    crystals = {}
    for tilt in (1.0, 0.5):
        crystal = _tilted(tilt)
        supercell = crystal * [[1, 1, 0], [0, 1, 0], [0, 0, 2]]
        supercell.translate_sites(range(len(supercell)), [0.13, 0.21, 0.34])
        mirrored = Structure(
            crystal.lattice.matrix[[2, 0, 1]] * [-1, 1, 1],
            crystal.species[::-1],
            crystal.frac_coords[::-1, [2, 0, 1]],
        )
        other_functional = _tilted(tilt + 0.03).scale_lattice(0.96 * crystal.volume)
        crystals[tilt] = [crystal, supercell, mirrored, other_functional]
    candidates = [
        Candidate(f"{tilt} {number}", structure.as_dict())
        for tilt, copies in crystals.items()
        for number, structure in enumerate(copies)
    ]
    examined = [examine(candidate, PlanSettings()) for candidate in candidates]
    passed = [crystal for crystal in examined if not isinstance(crystal, str)]
    assert len(passed) == 8
    unique, n_duplicates = ordered(passed)
    assert [crystal.source for crystal in unique] == ["0.5 0", "1.0 0"]
    assert n_duplicates == 6


def test_slabs_larger_than_wanted_are_left_out(crystals: Path) -> None:
    candidate = next(c for c in find_candidates([str(crystals)]) if c.source.endswith(":d"))
    settings = PlanSettings(max_atoms=45, max_index=1)
    crystal = examine(candidate, settings)
    assert not isinstance(crystal, str)
    surfaces = survey_crystal(crystal, settings)
    assert not isinstance(surfaces, str)
    assert {s.name for s in surfaces} == {"TiO2(110)-B-O/Ti2O2", "TiO2(100)-B-O/Ti", "TiO2(001)-A"}


def test_directory_of_files_and_library_names_are_read(tmp_path: Path) -> None:
    _rocksalt("Mg", 4.21).to(filename=str(tmp_path / "magnesia.cif"))
    sources = [c.source for c in find_candidates([str(tmp_path), "BeO"])]
    assert sources == ["file:magnesia.cif", "library:BeO"]


def test_a_list_without_structures_is_a_candidate_with_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text('[{"formula": "MgO"}]')
    (candidate,) = find_candidates([str(path)])
    assert examine(candidate, PlanSettings()) == "unreadable"
    assert "wrong.json holds no structure" in candidate.fault


def surface(formula: str, crystal: str, number: int) -> PlannedSurface:
    return PlannedSurface(
        identifier=f"{crystal}{number}", name="", formula=formula, crystal=crystal, source="",
        miller_index=(1, 0, 0), termination="A", termination_label="", n_atoms=10, area=1.0,
        slab_thickness=20.0, broken_bonds_per_area=0.1 * number,
    )  # fmt: skip


def test_crystals_whose_surfaces_have_equal_identifiers_both_keep_them() -> None:
    one = surface("WO3", "a", 0)
    other = replace(one, crystal="b")
    assert deal({"a": [one], "b": [other]}, 5) == [one, other]


def test_phases_of_a_formula_take_turns() -> None:
    surfaces = {
        "r": [surface("TiO2", "r", i) for i in range(5)],
        "a": [surface("TiO2", "a", i) for i in range(5)],
        "m": [surface("MgO", "m", 0)],
    }
    chosen = [s.identifier for s in deal(surfaces, 5)]
    assert chosen == ["m0", "r0", "a0", "r1", "a1"]


def test_candidate_without_facts_is_not_refused_for_them() -> None:
    candidate = Candidate("x", _rocksalt("Mg", 4.21).as_dict())
    assert not isinstance(examine(candidate, PlanSettings()), str)
