"""Labels: weights from their own evidence, and numbers that no surface can have."""

from __future__ import annotations

from pathlib import Path

import pytest
from learning_data import TOY, rocksalt_slab, slab_entries, toy_dataset, write_slab_file
from stored_results import flagged_result, passed_result, slab

from surfalign.ml.data.datasets import freeze, merge, read_dataset, write_dataset
from surfalign.ml.data.from_medians import FEW_SURFACES, Median, read_medians
from surfalign.ml.data.from_results import FLAGGED_WEIGHT, freeze_results
from surfalign.ml.data.from_slab_files import freeze_slab_file
from surfalign.ml.data.label_quality import (
    INVERTED,
    METALLIC_WEIGHT,
    NEAR_METAL,
    VACUUM_FIELD,
    joined,
    vacuum_field_error,
    weight_of,
)
from surfalign.ml.data.records import Label, SetLabel, Statistic, surface_record
from surfalign.physics.checks import within


def label(name: str, value: float, unit: str = "eV") -> Label:
    return Label(name=name, value=value, unit=unit, fidelity=TOY.key)


def test_a_label_counts_half_at_a_third_of_an_electronvolt() -> None:
    assert weight_of(0.0) == 1.0
    assert weight_of(0.3) == pytest.approx(0.5)
    assert weight_of(0.9) == pytest.approx(0.1)
    assert joined([0.3, 0.4, float("nan")]) == pytest.approx(0.5)


def test_a_field_goes_through_the_whole_cell() -> None:
    plate = rocksalt_slab("Mg", "O")
    assert vacuum_field_error(-0.01, plate) == pytest.approx(0.01 * plate.lattice.c)
    sheared = plate.copy()
    sheared.make_supercell([[1, 0, 0], [0, 1, 0], [2, 1, 1]])
    assert vacuum_field_error(0.01, sheared) == pytest.approx(0.01 * plate.lattice.c)


def test_levels_of_a_slab_with_a_field_count_less_and_its_gap_does_not(tmp_path: Path) -> None:
    entries = slab_entries(toy_dataset(3))
    height = entries[0]["initial"]["lattice"]["c"]
    entries[0] |= {"vac_slope": 0.3 / height, "surf_en_j_m2": 1.0}
    entries[1] |= {"vac_slope": 0.0, "slab_gap_ev": 0.1}
    dataset = freeze_slab_file(write_slab_file(entries, tmp_path / "slabs.json.gz"))
    weights = {r.name: {l.name: l.weight for l in r.labels} for r in dataset.records}
    assert weights[entries[0]["name"]] == {
        "ionization_potential": pytest.approx(0.5),
        "electron_affinity": pytest.approx(0.5),
        "band_gap": 1.0,
        "surface_energy": 1.0,
    }
    assert set(weights[entries[1]["name"]].values()) == {METALLIC_WEIGHT}
    assert set(weights[entries[2]["name"]].values()) == {1.0}
    assert dataset.lowered == {VACUUM_FIELD: [entries[0]["name"]], NEAR_METAL: [entries[1]["name"]]}


def test_absurd_labels_are_refused_by_name_and_the_slab_stays(tmp_path: Path) -> None:
    plate = rocksalt_slab("Mg", "O")
    records = [
        surface_record("cold", plate, "test",
                       labels=[label("surface_energy", -26.7, "J/m^2"), label("band_gap", 1.0)]),
        surface_record("hot", plate, "test",
                       labels=[label("surface_energy", 38.0, "J/m^2"), label("ionization_potential", 7.0)]),
        surface_record("upside down", plate, "test",
                       labels=[label("ionization_potential", 4.0), label("electron_affinity", 4.1)]),
        surface_record("semimetal", plate, "test",
                       labels=[label("ionization_potential", 4.0), label("electron_affinity", 4.02)]),
        surface_record("wrong unit", plate, "test", labels=[label("ionization_potential", 190.0)]),
    ]  # fmt: skip
    median = SetLabel(
        name="ionization_potential", value=-3.0, unit="eV", fidelity=TOY.key, members=("cold",),
        statistic=Statistic.MEDIAN, formula="MgO", source="table:MgO",
    )  # fmt: skip
    dataset = freeze("toy", records, set_labels=[median], fidelities=[TOY])
    left = {r.name: [l.name for l in r.labels] for r in dataset.records}
    assert left == {
        "cold": ["band_gap"],
        "hot": ["ionization_potential"],
        "upside down": [],
        "semimetal": ["ionization_potential", "electron_affinity"],
        "wrong unit": [],
    }
    assert dataset.set_labels == ()
    potential, energy = (
        "ionization_potential not within 0 to 22",
        "surface_energy not within 0 to 10",
    )
    assert dataset.summary()["refused_labels"] == {INVERTED: 2, potential: 2, energy: 2}
    assert dataset.refused[potential][1] == "table:MgO: ionization_potential -3 eV"
    path = tmp_path / "toy.dataset.json.gz"
    write_dataset(dataset, path)
    assert read_dataset(path).refused == dataset.refused
    assert merge("again", [read_dataset(path)]).digest == dataset.digest


def test_a_result_is_weighed_by_its_own_checks() -> None:
    clean = passed_result("clean", unrelaxed_slab_structure=slab())
    rough = passed_result(
        "rough",
        unrelaxed_slab_structure=slab(),
        checks=[
            within("vacuum_two_sides", -0.48, 1.0, "eV", "Two sides."),
            within("slab_centre_plateau", 0.10, 1.0, "eV", "Centre."),
            within("forces", 7.0, 9.0, "eV/angstrom", "Of no level."),
        ],
        convergence_error=0.15,
    )
    bad = flagged_result("bad", unrelaxed_slab_structure=slab())
    dataset = freeze_results([clean, rough, bad], flagged=True)
    weights = {
        r.source.removeprefix("store:"): {l.name: l.weight for l in r.labels}
        for r in dataset.records
    }
    assert set(weights["clean"].values()) == {1.0}
    expected = weight_of(joined([0.24, 0.10, 0.15]))
    assert weights["rough"]["ionization_potential"] == pytest.approx(expected)
    assert weights["rough"]["band_gap"] == weights["rough"]["surface_energy"] == 1.0
    assert set(weights["bad"].values()) == {FLAGGED_WEIGHT}
    assert set(dataset.lowered) == {
        "vacuum_two_sides", "convergence_error", "flagged: slab_centre",
    }  # fmt: skip


def test_a_median_is_worth_what_stands_behind_it(tmp_path: Path) -> None:
    one, many = Median(7.0, 1, 0.0), Median(7.0, 100, 3.0)
    assert weight_of(Median(7.0).error) == pytest.approx(0.5)
    assert 0.15 < weight_of(one.error) < 0.25
    assert 0.45 < weight_of(many.error) < 0.5
    # Of two surfaces the spread says little: the usual one is taken.
    assert Median(7.0, 2, 0.0).error == Median(7.0, 2, 0.9).error
    assert Median(7.0, 9, 3.0).error > Median(7.0, 9, 0.5).error
    path = tmp_path / "medians.csv"
    path.write_text("formula,ip_median_ev,n_surfaces,ip_spread_ev\nMgO,7.1,3,0.9\nCaO,6.0,,\n")
    assert read_medians(path) == {"MgO": Median(7.1, 3, 0.9), "CaO": Median(6.0)}
    assert FEW_SURFACES


def test_the_reference_slabs_lose_their_absurd_energies(shared_data: Path) -> None:
    dataset = freeze_slab_file(shared_data / "surfaces" / "jarvis_slabs_dev.json.gz")
    summary = dataset.summary()
    assert summary["refused_labels"] == {"surface_energy not within 0 to 10": 17}
    assert summary["lowered"][NEAR_METAL] == 195
    energies = [r.value("surface_energy") for r in dataset.records]
    assert max(e for e in energies if e == e) < 10.0
