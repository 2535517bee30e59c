"""What lists of crystals state, under the field names of databases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from surfalign.crystals.sources import load_crystal
from surfalign.workflows.planning.run import make_plan
from surfalign.workflows.planning.stated_facts import read_facts
from surfalign.workflows.planning.survey import PlanSettings


@pytest.mark.parametrize(
    ("record", "facts"),
    [
        # the Materials Project's summary, and its former interface
        ({"band_gap": 4.5, "energy_above_hull": 0.02}, {"band_gap": 4.5, "hull_energy": 0.02}),
        ({"total_magnetization": 1.9, "is_magnetic": True}, {"magnetic_moment": 1.9, "magnetic": 1}),
        ({"total_magnetization": 0.0, "ordering": "AFM"}, {"magnetic_moment": 0, "magnetic": 1}),
        ({"ordering": "NM", "is_metal": False, "is_magnetic": False}, {}),
        ({"is_metal": True, "band_gap": None}, {"band_gap": 0.0}),
        ({"e_above_hull": 0.3}, {"hull_energy": 0.3}),
        # JARVIS and AFLOW
        ({"optb88vdw_bandgap": 3.1, "ehull": 0.4, "magmom_outcar": 2.0},
         {"band_gap": 3.1, "hull_energy": 0.4, "magnetic_moment": 2.0}),
        ({"Egap": 3.1}, {"band_gap": 3.1}),
        # lists of one's own
        ({"gap_ddh_ev": 5.0, "e_hull_pbesol": 0.0, "max_magmom": 0.2},
         {"band_gap": 5.0, "hull_energy": 0.0, "magnetic_moment": 0.2}),
        ({"band_gap": float("nan"), "energy_above_hull": "0.4"}, {}),
    ],
)  # fmt: skip
def test_fields_of_databases_are_known(record: dict[str, Any], facts: dict[str, float]) -> None:
    assert read_facts(record) == (facts, ())


def test_numbers_that_are_not_used_are_named() -> None:
    record = {"bulk_modulus": 160, "band_gap": 4.0, "nsites": 2, "volume": 18.0, "formula": "MgO",
              "is_stable": True, "piezo_max": 0.1}  # fmt: skip
    assert read_facts(record)[1] == ("bulk_modulus", "piezo_max")


def test_a_list_of_the_materials_project_is_filtered_and_keeps_its_ids(tmp_path: Path) -> None:
    def entry(name: str, oxide: str, **fields: Any) -> dict[str, Any]:
        return {"material_id": name, "structure": load_crystal(oxide).structure.as_dict(), **fields}

    path = tmp_path / "summary.json"
    path.write_text(json.dumps([
        entry("mp-1265", "MgO", band_gap=4.4, energy_above_hull=0.0, total_magnetization=0.0),
        entry("mp-2", "CaO", band_gap=3.6, energy_above_hull=0.45, bulk_modulus=100.0),
        entry("mp-3", "SrO", band_gap=3.3, energy_above_hull=0.0, total_magnetization=1.9),
        entry("mp-4", "BaO", band_gap=0.0, is_metal=True, energy_above_hull=0.0),
        entry("mp-5", "BeO", band_gap=7.0, energy_above_hull=0.0, ordering="AFM"),
    ]))  # fmt: skip
    plan = make_plan([str(path)], tmp_path / "plan.jsonl", PlanSettings(max_index=1))
    assert {surface.source for surface in plan.surfaces} == {"summary:mp-1265"}
    assert plan.refused == {
        "unstable": ["summary:mp-2"],
        "magnetic": ["summary:mp-3", "summary:mp-5"],
        "small_band_gap": ["summary:mp-4"],
    }
    assert plan.unused == ("bulk_modulus",)
