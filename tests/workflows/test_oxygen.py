"""Surfaces with more or less oxygen than their crystal, through the whole flow of the toy engine."""

from __future__ import annotations

from pathlib import Path

import pytest
import toy_engine
from jobflow import JobStore
from monty.json import jsanitize

from surfalign.crystals.sources import load_crystal
from surfalign.errors import PhysicsInputError, TerminationError
from surfalign.launchers.local.run_flow import run_flow
from surfalign.physics.phases.oxygen_reference import WATER_FORMATION_ENERGY
from surfalign.stores.database import PROVENANCE
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.levels import LEVELS_VERSION
from surfalign.stores.recomputation import can_recompute, recompute
from surfalign.workflows.flows import BandAlignmentMaker
from surfalign.workflows.wanted_surfaces import checked_maker

REDUCED, PLAIN = "MgO(100)-A-reduced", "MgO(100)-A"
JOULE = 16.02176634


def computed(
    store: JobStore, directory: Path, maker: BandAlignmentMaker
) -> tuple[dict[str, SurfaceLevelsDocument], list[str]]:
    toy_engine.EXECUTED.clear()
    failures = run_flow(maker.make(load_crystal("MgO").structure, "test"), store, directory)
    assert [str(f.error) for f in failures] == []
    outputs = [doc["output"] for doc in store.query({"output.@class": "SurfaceLevelsDocument"})]
    found = [SurfaceLevelsDocument.model_validate(output) for output in outputs]
    return {one.surface_name: one for one in found}, list(toy_engine.EXECUTED)


def checked(**options: object) -> BandAlignmentMaker:
    return checked_maker(load_crystal("MgO"), toy_engine.toy_engine(), **options)


def test_a_reduced_surface_gets_an_energy_against_oxygen_and_levels_like_any_other(
    store: JobStore, tmp_path: Path
) -> None:
    found, steps = computed(store, tmp_path, checked(surface_names=[REDUCED]))

    (reduced,) = found.values()
    assert reduced.area is not None
    assert reduced.excess_oxygen == -2
    assert reduced.surface_energy is None
    # The toy's atoms all have -5 eV: what is left is the surface, and the formation of water.
    expected = toy_engine.GAMMA + 2 * WATER_FORMATION_ENERGY / (2 * reduced.area)
    assert reduced.surface_energy_oxygen_rich == pytest.approx(expected * JOULE)
    assert reduced.oxygen_energy == pytest.approx(-5.0 + WATER_FORMATION_ENERGY)
    assert reduced.oxygen_reference == "water"
    assert reduced.ionization_potential == pytest.approx(toy_engine.STEP - toy_engine.VBM, abs=1e-6)
    assert any(warning.startswith("spin_neglected") for warning in reduced.warnings)
    assert "surface_energy_positive" not in {check.name for check in reduced.checks}
    assert set(reduced.provenance) == set(PROVENANCE)  # so that a build finds what rests on them
    assert steps.count("slab_potential") == 3  # the slab's, and two molecules


def test_all_forms_of_a_surface_share_the_molecules(store: JobStore, tmp_path: Path) -> None:
    found, steps = computed(store, tmp_path, checked(miller_indices=[(1, 0, 0)], oxygen=True))

    assert list(found) == [PLAIN, REDUCED, "MgO(100)-A-oxidised"]
    assert steps.count("slab_potential") == 5
    assert found[PLAIN].oxygen_energy is None
    assert found[PLAIN].surface_energy_oxygen_rich is None
    assert not {"water_molecule", "hydrogen_molecule"} & set(found[PLAIN].provenance)
    rich = [
        found[name].surface_energy_oxygen_rich or 0 for name in (REDUCED, "MgO(100)-A-oxidised")
    ]
    assert sum(rich) == pytest.approx(2 * (found[PLAIN].surface_energy or 0))


def test_the_plain_surface_is_the_same_calculation_with_and_without_its_forms(
    store: JobStore, tmp_path: Path
) -> None:
    alone, _ = computed(store, tmp_path / "a", checked(miller_indices=[(1, 0, 0)]))
    together, steps = computed(
        store, tmp_path / "b", checked(miller_indices=[(1, 0, 0)], oxygen=True)
    )

    assert together[PLAIN].identifier == alone[PLAIN].identifier
    assert steps.count("oriented_bulk") == steps.count("bulk") == 0


def test_stored_steps_give_the_energy_again(store: JobStore, tmp_path: Path) -> None:
    found, _ = computed(store, tmp_path, checked(surface_names=[REDUCED]))
    result = found[REDUCED]
    steps = {name: store.get_output(uuid, load=True) for name, uuid in result.provenance.items()}
    plain = jsanitize(result, strict=True, enum_values=True, allow_bson=True)

    assert can_recompute(plain, steps)
    again = recompute(plain, steps)
    assert again["surface_energy_oxygen_rich"] == pytest.approx(result.surface_energy_oxygen_rich)
    assert again["levels_version"] == LEVELS_VERSION
    without = {name: step for name, step in steps.items() if name != "water_molecule"}
    assert not can_recompute(plain, without)


def test_without_the_molecules_the_energy_is_refused(store: JobStore, tmp_path: Path) -> None:
    found, _ = computed(store, tmp_path, checked(surface_names=[REDUCED]))
    result = found[REDUCED]
    provenance = {k: v for k, v in result.provenance.items() if not k.endswith("molecule")}
    steps = {name: store.get_output(uuid, load=True) for name, uuid in provenance.items()}
    plain = jsanitize(result, strict=True, enum_values=True, allow_bson=True)

    again = recompute(plain | {"provenance": provenance}, steps)

    assert again["error"]["error"] == PhysicsInputError.__name__
    assert "without the energy of oxygen" in again["error"]["message"]


def test_a_form_that_the_surface_does_not_have_is_refused() -> None:
    maker = {"surface_names": ["V2O5(001)-B-O/V-oxidised"]}

    with pytest.raises(TerminationError, match=r"there is no surface V2O5\(001\)-B-O/V-oxidised"):
        checked_maker(load_crystal("V2O5"), toy_engine.toy_engine(), **maker)
