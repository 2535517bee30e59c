"""From the documents of the steps to a result: numbers in closed form, and what a result says of itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from surfalign.errors import MetallicError, PhysicsInputError
from surfalign.hashing import hash_of
from surfalign.physics.checks import within
from surfalign.stores.documents import (
    BandEdgesDocument,
    BulkDocument,
    CalculationRecord,
    Correction,
    DielectricDocument,
    RawArchive,
    RelaxationStep,
    ResultState,
    SlabPotentialDocument,
    SlabRelaxationDocument,
    SurfaceDescription,
    SurfaceLevelsDocument,
)
from surfalign.stores.levels import SPIN_ORBIT_ELEMENTS, SurfaceSteps, surface_levels

STEP, VACUUM, VBM, GAP = 9.5, 3.0, 2.4, 7.9  # eV
SEMILOCAL_VBM, SEMILOCAL_CBM = 4.4, 8.9  # eV
SIDE, HEIGHT, SPACING, REPEAT = 3.0, 40.0, 2.0, 4.0  # angstrom
GAMMA, CELL_ENERGY = 0.06, -25.0  # eV/angstrom^2; eV of the oriented bulk cell, two layers
SITES = {"Mg": -30.0, "O": -18.0}  # eV, against the bulk's average


def record(step: str, **fields: Any) -> CalculationRecord:
    defaults: dict[str, Any] = {
        "step": step, "engine": "toy", "engine_version": "1", "xc": "toy", "quality": "quick",
        "settings": {"of": step}, "settings_hash": "0", "cores": 2, "wall_time": 3.0,
        "cpu_time": 5.0, "started_at": datetime(2026, 11, 20, tzinfo=UTC),
    }  # fmt: skip
    return CalculationRecord(**(defaults | fields))


def bulk_cell(cation: str = "Mg") -> Structure:
    return Structure(Lattice.cubic(SIDE), [cation, "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def slab(n_layers: int = 7, bottom: float = 10.0, wide: int = 1) -> Structure:
    """Layers of one cation and one oxygen each; doubled along a where ``wide`` is two."""
    heights = bottom + SPACING * np.arange(n_layers)
    coordinates = [[x, x, z / HEIGHT] for z in heights for x in (0.0, 0.5)]
    structure = Structure(
        Lattice.from_parameters(SIDE, SIDE, HEIGHT, 90, 90, 90), ["Mg", "O"] * n_layers, coordinates
    )
    structure.add_site_property("bulk_site", [0, 1] * n_layers)
    return structure.make_supercell([wide, 1, 1])


def potential(structure: Structure, tilt: float = 0.0, apart: float = 0.0) -> SlabPotentialDocument:
    """Steps of known height half a layer outside the slab; site potentials ``apart`` from them."""
    z = np.arange(800) * HEIGHT / 800
    heights = structure.frac_coords[:, 2] * HEIGHT
    middle = heights.mean()
    distance = (z - middle + HEIGHT / 2) % HEIGHT - HEIGHT / 2
    edge = np.ptp(heights) / 2 + SPACING / 2
    inside = 0.5 * (np.tanh((distance + edge) / 0.3) - np.tanh((distance - edge) / 0.3))
    layers = 1.3 * np.cos(2 * np.pi * distance / SPACING)
    area = structure.volume / HEIGHT
    return SlabPotentialDocument(
        structure=structure,
        energy=len(structure) / 4 * CELL_ENERGY + 2 * area * GAMMA,
        positions=z.tolist(),
        planar_average=(VACUUM + inside * (layers - STEP) + tilt * distance).tolist(),
        site_potentials=[SITES[s.specie.symbol] + VACUUM - STEP - apart for s in structure],
        calculation=record("slab_potential"),
    )


def band_edges(**fields: Any) -> BandEdgesDocument:
    defaults: dict[str, Any] = {
        "structure": bulk_cell(), "functional": "ddh", "semilocal_functional": "pbesol+u",
        "exchange_fraction": 0.34, "dielectric_constant": 2.96, "valence_band_maximum": VBM,
        "conduction_band_minimum": VBM + GAP, "band_gap": GAP,
        "self_consistency_gap_correction": 0.1,
        "semilocal_valence_band_maximum": SEMILOCAL_VBM,
        "semilocal_conduction_band_minimum": SEMILOCAL_CBM,
        "valence_band_k_point": (0, 0, 0), "conduction_band_k_point": (0, 0, 0),
        "is_direct": True, "site_potentials": list(SITES.values()),
        "calculation": record("band_edges"),
    }  # fmt: skip
    return BandEdgesDocument(**(defaults | fields))


def bulk(structure: Structure, energy: float, **fields: Any) -> BulkDocument:
    n_atoms = len(structure)
    return BulkDocument(
        structure=structure, formula=structure.reduced_formula, n_atoms=n_atoms, energy=energy,
        energy_per_atom=energy / n_atoms, band_gap=5.0, max_force=0.0,
        calculation=record("bulk", **fields),
    )  # fmt: skip


def relaxation(
    structure: Structure, potential: SlabPotentialDocument | None = None, **fields: Any
) -> SlabRelaxationDocument:
    return SlabRelaxationDocument(
        structure=structure, initial_structure=structure, energy=0.0, max_force=0.0,
        max_displacement=0.0, n_steps=1, converged=True, potential=potential,
        calculation=record("slab_relaxation"), **fields,
    )  # fmt: skip


def description(structure: Structure) -> SurfaceDescription:
    return SurfaceDescription(
        identifier="MgO-100-A-7", name="MgO(100)-A", formula="MgO", space_group_symbol="Fm-3m",
        space_group_number=225, source="library:MgO", miller_index=(1, 0, 0), termination="A",
        n_atoms=len(structure), area=structure.volume / HEIGHT, slab_thickness=12.0,
        vacuum_thickness=28.0, bulk_repeat=REPEAT, slab=structure,
        oriented_bulk=bulk_cell() * (1, 1, 2),
    )  # fmt: skip


def steps(structure: Structure | None = None, **fields: Any) -> SurfaceSteps:
    structure = structure or slab()
    defaults: dict[str, Any] = {
        "surface": description(structure), "bulk": bulk(bulk_cell(), -12.6),
        "band_edges": band_edges(), "oriented_bulk": bulk(bulk_cell() * (1, 1, 2), CELL_ENERGY),
        "slab_potential": potential(structure),
    }  # fmt: skip
    return SurfaceSteps(**(defaults | fields))


def levels(structure: Structure | None = None, **fields: Any) -> SurfaceLevelsDocument:
    return surface_levels(steps(structure, **fields), "result")


def test_the_levels_are_the_step_less_the_band_edge() -> None:
    result = levels()
    assert result.potential_step == pytest.approx(STEP, abs=1e-4)
    assert result.ionization_potential == pytest.approx(STEP - VBM, abs=1e-4)
    assert result.electron_affinity == pytest.approx(STEP - VBM - GAP, abs=1e-4)
    assert result.semilocal_ionization_potential == pytest.approx(STEP - SEMILOCAL_VBM, abs=1e-4)
    assert result.semilocal_band_gap == pytest.approx(SEMILOCAL_CBM - SEMILOCAL_VBM)
    assert result.surface_energy == pytest.approx(GAMMA * 16.02176634)
    assert (result.state, result.failed_checks) == (ResultState.PASSED, [])


def test_a_corrected_gap_moves_the_affinity_and_not_the_ionization_potential() -> None:
    result = levels(band_edges=band_edges(band_gap=GAP + 0.5))
    assert result.band_gap == GAP + 0.5
    assert result.ionization_potential == pytest.approx(STEP - VBM, abs=1e-4)
    assert result.electron_affinity == pytest.approx(STEP - VBM - GAP - 0.5, abs=1e-4)


@pytest.mark.parametrize("bottom", [0.0, 3.7, 22.0, 35.0])
def test_where_the_slab_lies_in_its_cell_does_not_matter(bottom: float) -> None:
    shifted = slab(bottom=bottom)
    still = potential(slab())
    planes = round((bottom - 10.0) / HEIGHT * 800)
    moved = still.model_copy(
        update={
            "structure": shifted,
            "planar_average": np.roll(still.planar_average, planes).tolist(),
        }
    )
    result = levels(shifted, slab_potential=moved)
    assert result.ionization_potential == pytest.approx(STEP - VBM, abs=1e-4)
    assert result.ionization_potential_site_potentials == pytest.approx(STEP - VBM, abs=1e-3)
    assert result.failed_checks == []


@pytest.mark.parametrize(("n_layers", "wide"), [(7, 2), (9, 1), (6, 3)])
def test_neither_thickness_nor_lateral_size_moves_the_levels(n_layers: int, wide: int) -> None:
    result = levels(slab(n_layers, wide=wide))
    assert result.ionization_potential == pytest.approx(STEP - VBM, abs=1e-3)
    assert result.surface_energy == pytest.approx(GAMMA * 16.02176634)


def test_the_alignment_by_sites_stands_beside_the_other_and_is_compared_with_it() -> None:
    for apart, failed in ((0.02, []), (-0.05, ["site_potential_alignment"])):
        result = levels(slab_potential=potential(slab(), apart=apart))
        assert result.ionization_potential == pytest.approx(STEP - VBM, abs=1e-4)
        assert result.ionization_potential_site_potentials == pytest.approx(
            STEP - VBM + apart, abs=1e-3
        )
        (check,) = [c for c in result.checks if c.name == "site_potential_alignment"]
        assert check.value == pytest.approx(apart, abs=1e-3)
        assert result.failed_checks == failed


def watched(**fields: Any) -> SlabRelaxationDocument:
    """A relaxation that watched the level on its way."""
    step = RelaxationStep(
        energy=0.0,
        largest_force=0.1,
        level=0.0,
        newton_step=0.01,
        predicted_change=0.0,
        precise=True,
    )
    return relaxation(slab(), steps=[step], **({"predicted_error": 0.03} | fields))


def test_the_level_is_that_of_the_minimum_and_of_a_released_centre() -> None:
    result = levels(slab_relaxation=watched(predicted_change=-0.12, centre_change=0.04))
    assert result.level_corrections == {"relaxation": -0.12, "held_centre": 0.02}
    assert result.ionization_potential == pytest.approx(STEP - VBM - 0.10, abs=1e-4)
    assert result.electron_affinity == pytest.approx(STEP - VBM - GAP - 0.10, abs=1e-4)
    assert result.ionization_potential_site_potentials == pytest.approx(STEP - VBM - 0.10, abs=1e-3)
    assert result.semilocal_ionization_potential == pytest.approx(
        STEP - SEMILOCAL_VBM - 0.10, abs=1e-4
    )
    assert result.potential_step == pytest.approx(STEP, abs=1e-4)  # of the slab as computed


def test_the_error_of_convergence_adds_independent_parts() -> None:
    apart = potential(slab(), apart=0.02)
    apart.calculation.numerical_error = 0.01
    result = levels(slab_potential=apart, slab_relaxation=watched(centre_change=-0.08))
    parts = {"alignment": 0.02, "relaxation": 0.03, "held_centre": 0.04, "settings": 0.01}
    assert result.convergence_parts == pytest.approx(parts, abs=1e-3)
    assert result.convergence_error == pytest.approx(np.sqrt(30e-4), abs=1e-3)


def test_noise_of_the_forces_is_a_part_of_the_error_where_both_of_its_factors_are_known() -> None:
    noisy = watched(level_per_force=2.5)
    assert "forces" not in levels(slab_relaxation=noisy).convergence_parts
    noisy.calculation.force_noise = 0.02
    assert levels(slab_relaxation=noisy).convergence_parts["forces"] == pytest.approx(0.05)
    assert "forces" not in levels(slab_relaxation=watched()).convergence_parts


@pytest.mark.parametrize(
    ("quality", "failed"), [("quick", []), ("standard", ["convergence_error"])]
)
def test_an_error_above_what_its_preset_promises_is_flagged(
    quality: str, failed: list[str]
) -> None:
    document = potential(slab())
    document.calculation.quality = quality
    result = levels(slab_potential=document, slab_relaxation=watched(predicted_error=0.07))
    assert result.failed_checks == failed


def test_a_relaxation_that_never_watched_the_level_promises_nothing() -> None:
    silent = levels(slab_relaxation=relaxation(slab(), predicted_change=0.3))
    assert (silent.convergence_error, silent.convergence_parts) == (None, {})
    assert silent.level_corrections == {}  # a change without its error is no correction
    judged = levels(slab_relaxation=relaxation(slab(), predicted_error=0.4))
    assert judged.convergence_error == pytest.approx(0.4, abs=1e-3)
    assert judged.failed_checks == []
    unrelaxed = levels()
    assert set(unrelaxed.convergence_parts) == {"alignment"}


def test_slabs_of_another_crystal_are_refused() -> None:
    with pytest.raises(PhysicsInputError, match="same bulk structure"):
        levels(band_edges=band_edges(site_potentials=[-30.0]))


def test_a_metal_has_no_levels() -> None:
    with pytest.raises(MetallicError, match="positive gap"):
        levels(band_edges=band_edges(band_gap=0.0))


def test_a_negative_surface_energy_flags_the_result_by_name_and_amount() -> None:
    held = potential(slab())
    area = SIDE**2
    lower = held.model_copy(update={"energy": held.energy - 2 * area * 2 * GAMMA})
    result = levels(slab_potential=lower)
    assert result.state is ResultState.FLAGGED
    assert result.failed_checks == ["surface_energy_positive"]
    (check,) = [c for c in result.checks if c.name == "surface_energy_positive"]
    assert check.value == pytest.approx(-GAMMA * 16.02176634)
    assert (check.tolerance, check.unit) == (0.0, "J/m^2")
    assert "must not be negative" in check.reason


def test_a_positive_surface_energy_passes_however_large() -> None:
    (check,) = [c for c in levels().checks if c.name == "surface_energy_positive"]
    assert (check.value, check.passed) == (0.0, True)


def test_a_field_in_the_vacuum_flags_the_result() -> None:
    result = levels(slab_potential=potential(slab(), tilt=0.02))
    assert result.state is ResultState.FLAGGED
    assert result.failed_checks == ["slab_centre_plateau", "vacuum_plateau", "vacuum_two_sides"]


def test_failed_checks_of_the_steps_carry_the_name_of_their_step() -> None:
    bad = within("scf_energy", 1.0, 0.1, "eV", "Change of the energy.")
    good = within("scf_energy", 0.0, 0.1, "eV", "Change of the energy.")
    result = levels(
        bulk=bulk(bulk_cell(), -12.6, checks=[good]),
        band_edges=band_edges(calculation=record("band_edges", checks=[bad, bad])),
    )
    assert result.state is ResultState.FLAGGED
    assert result.failed_checks == ["band_edges_scf_energy"]
    of_steps = {c.name: (c.value, c.unit) for c in result.checks if "scf" in c.name}
    assert of_steps == {"bulk_scf_energy": (0.0, "eV"), "band_edges_scf_energy": (1.0, "eV")}


def test_the_curves_have_the_vacuum_as_their_zero() -> None:
    result = levels()
    assert result.potential is not None
    positions = np.array(result.potential.positions)
    assert positions == pytest.approx(np.arange(800) * 0.05)
    planar = np.interp([0.0, 16.0, 39.0], positions, result.potential.planar_average)
    smooth = np.interp([0.0, 16.0, 39.0], positions, result.potential.macroscopic_average)
    assert planar == pytest.approx([0.0, 1.3 - STEP, 0.0], abs=1e-3)
    assert smooth == pytest.approx([0.0, -STEP, 0.0], abs=1e-3)
    # Averaged twice: an eighth of the step has come half a repeat before the edge, at 9 angstrom.
    before = np.interp(9.0 - REPEAT / 2, positions, result.potential.macroscopic_average)
    assert before == pytest.approx(-STEP / 8, abs=0.2)


def test_a_result_says_of_which_surface_it_is() -> None:
    given = steps(slab_relaxation=relaxation(slab()))
    relaxed = slab(bottom=10.1)
    given = replace(given, slab_potential=potential(relaxed))
    result = surface_levels(given, "MgO-100-A-7-toy")
    assert result.identifier == "MgO-100-A-7-toy"
    assert (result.surface_identifier, result.surface_name) == ("MgO-100-A-7", "MgO(100)-A")
    assert result.identity == given.surface.identity
    assert result.bulk_structure == given.band_edges.structure
    assert result.slab_structure == relaxed
    assert result.unrelaxed_slab_structure == given.surface.slab


def test_a_result_says_of_which_method_it_is() -> None:
    result = levels()
    assert (result.functional, result.semilocal_functional) == ("ddh", "pbesol+u")
    assert (result.exchange_fraction, result.dielectric_constant) == (0.34, 2.96)
    assert (result.engine, result.engine_version, result.quality) == ("toy", "1", "quick")
    assert result.levels_version == 5


def test_engine_and_quality_are_those_of_the_slab() -> None:
    other = record("bulk", engine="other", engine_version="9", quality="custom")
    given = steps(band_edges=band_edges(calculation=other))
    result = surface_levels(given, "result")
    assert (result.engine, result.engine_version, result.quality) == ("toy", "1", "quick")


def test_all_steps_that_ran_are_recorded_in_their_order() -> None:
    tensor = ((3.0, 0.0, 0.0), (0.0, 3.0, 0.0), (0.0, 0.0, 3.0))
    dielectric = DielectricDocument(
        structure=bulk_cell(),
        dielectric_tensor=tensor,
        dielectric_constant=3.0,
        calculation=record("dielectric", code_versions={"numpy": "1", "libxc": "7"}, cores=8),
    )
    held = potential(slab())
    held.calculation.code_versions = {"numpy": "2", "scipy": "1"}
    result = levels(dielectric=dielectric, slab_relaxation=relaxation(slab()), slab_potential=held)
    ran = [
        "bulk", "dielectric", "band_edges", "oriented_bulk", "slab_relaxation", "slab_potential",
    ]  # fmt: skip
    assert [timing.step for timing in result.timings] == ran
    assert list(result.settings) == ran
    assert [timing.cores for timing in result.timings] == [2, 8, 2, 2, 2, 2]
    assert {(timing.wall_time, timing.cpu_time) for timing in result.timings} == {(3.0, 5.0)}
    assert result.settings["band_edges"] == {"of": "band_edges"}
    assert result.settings_hash == hash_of(result.settings)
    assert result.code_versions == {"numpy": "2", "scipy": "1", "libxc": "7"}
    assert result.relaxed


def test_what_did_not_run_is_not_recorded() -> None:
    result = levels()
    assert list(result.settings) == ["bulk", "band_edges", "oriented_bulk", "slab_potential"]
    assert not result.relaxed
    assert (result.provenance, result.archives, result.corrections) == ({}, {}, [])


def test_a_potential_of_the_last_step_of_a_relaxation_is_no_step_of_its_own() -> None:
    held = potential(slab())
    result = levels(slab_potential=held, slab_relaxation=relaxation(slab(), held))
    assert list(result.settings) == ["bulk", "band_edges", "oriented_bulk", "slab_relaxation"]
    assert result.relaxed


def test_another_setting_of_any_step_is_another_hash() -> None:
    hashes = {levels().settings_hash, levels().settings_hash}
    for step in ("bulk", "oriented_bulk"):
        changed = bulk(bulk_cell() * (1, 1, 2), CELL_ENERGY, settings={"of": "more"})
        hashes.add(levels(**{step: changed}).settings_hash)
    assert len(hashes) == 3


def test_corrections_and_archives_are_named_after_their_steps() -> None:
    def correction(stage: str) -> Correction:
        return Correction(stage=stage, handler="retry", errors=["e"], actions=["a"])

    archive = RawArchive(path="/archive/bulk", files=[])
    result = levels(
        bulk=bulk(bulk_cell(), -12.6, corrections=[correction("relax1")], archive=archive),
        oriented_bulk=bulk(bulk_cell() * (1, 1, 2), CELL_ENERGY, corrections=[correction("")]),
    )
    assert [c.stage for c in result.corrections] == ["bulk relax1", "oriented_bulk"]
    assert {c.handler for c in result.corrections} == {"retry"}
    assert result.archives == {"bulk": "/archive/bulk"}


@pytest.mark.parametrize(
    ("provenance", "method"),
    [
        (None, "oriented bulk cell"),
        ({"bulk": "1", "oriented_bulk": "2"}, "oriented bulk cell"),
        ({"bulk": "1", "oriented_bulk": "1"}, "bulk cell"),
        ({"bulk": "1"}, "oriented bulk cell"),
        ({"oriented_bulk": "1"}, "oriented bulk cell"),
    ],
)
def test_the_provenance_tells_which_bulk_cell_the_surface_energy_is_against(
    provenance: dict[str, str] | None, method: str
) -> None:
    result = surface_levels(steps(), "result", provenance)
    assert result.surface_energy_method == method
    assert result.provenance == (provenance or {})


def warnings_of(**fields: Any) -> list[str]:
    return [warning.partition(":")[0] for warning in levels(**fields).warnings]


def test_warnings_of_the_steps_come_first() -> None:
    held = potential(slab())
    held.calculation.warnings = ["mesh: too coarse"]
    result = levels(
        bulk=bulk(bulk_cell("Pb"), -12.6, warnings=["cutoff: low"]), slab_potential=held
    )
    assert result.warnings[:2] == ["cutoff: low", "mesh: too coarse"]
    assert len(result.warnings) == 3


@pytest.mark.parametrize("element", ["Pb", "Bi", "Tl", "Hg", "W", "Mg", "Ba"])
def test_neglected_spin_orbit_coupling_is_told_where_it_matters(element: str) -> None:
    heavy = element in SPIN_ORBIT_ELEMENTS
    assert heavy is (element not in ("Mg", "Ba"))
    crystal = bulk(bulk_cell(element), -12.6)
    assert warnings_of(bulk=crystal) == (["spin_orbit_neglected"] if heavy else [])
    assert warnings_of(bulk=crystal, band_edges=band_edges(spin_orbit=True)) == []


def test_heavy_elements_are_named_in_their_order() -> None:
    both = Structure(Lattice.cubic(4), ["Tl", "Bi", "O"], [[0, 0, 0], [0.5, 0.5, 0], [0, 0, 0.5]])
    (warning,) = levels(bulk=bulk(both, -12.6)).warnings
    assert "Bi, Tl splits bands" in warning


def test_a_one_shot_hybrid_says_that_self_consistency_is_neglected() -> None:
    one_shot = {"self_consistency_gap_correction": None}
    assert warnings_of(band_edges=band_edges(**one_shot)) == ["self_consistency_neglected"]
    assert warnings_of(band_edges=band_edges(**one_shot, exchange_fraction=0.0)) == []
    assert warnings_of(band_edges=band_edges(self_consistency_gap_correction=0.0)) == []
