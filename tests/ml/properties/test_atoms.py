"""Numbers of single atoms: read from tables, learned, predicted for each atom, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from learning_data import ANIONS, CATIONS, rocksalt_crystal, rocksalt_slab
from pymatgen.core import Structure

from surfalign.crystals.sources import load_crystal
from surfalign.errors import (
    ConfigurationError,
    InvalidLabelError,
    MissingStructureError,
    MixedLevelsError,
    MixedUnitsError,
    SurfalignError,
    UnknownPropertyError,
)
from surfalign.ml.assessment.held_out import blind
from surfalign.ml.data.datasets import FrozenDataset, read_dataset, write_dataset
from surfalign.ml.data.from_crystal import structures_of
from surfalign.ml.data.records import Fidelity
from surfalign.ml.descriptors.physical.site_potentials import COULOMB
from surfalign.ml.ensemble.recipe import Recipe
from surfalign.ml.models.model_registry import ModelRegistry
from surfalign.ml.models.prediction import predict_records
from surfalign.ml.models.retraining import Verdict, retrain
from surfalign.ml.properties.declarations import Declarations, Declared
from surfalign.ml.properties.from_store import freeze_fields
from surfalign.ml.properties.from_table import NO_LABEL, freeze_table, table_structures
from surfalign.ml.properties.learnable import on_learned_scale
from surfalign.ml.properties.property import Level, Property

ENERGY = Property(name="site_energy", unit="eV", level=Level.ATOM)
#: Of rocksalt, for the distance of neighbours.
MADELUNG = 1.747564594633
FAST: dict[str, dict[str, Any]] = {"mean": {}, "gaussian-process": {"iterations": 8}}


def declared(one: Property = ENERGY) -> Declarations:
    return Declarations(
        (Declared(one, "e", one.unit),), Fidelity("ionic", "point charges", "table")
    )


def site_energies(crystal: Structure) -> list[float]:
    """Return half of charge times potential of the ions of a rocksalt crystal, in closed form, eV.

    A tenth of an eV for each row of the periodic table tells cations from anions.
    """
    neighbours = 0.5 * np.sqrt(2.0) * crystal.lattice.a
    own = -0.5 * 4.0 * COULOMB * MADELUNG / neighbours
    return [own + 0.1 * site.specie.row for site in crystal]


def entry(crystal: Structure, energies: Any = None, **more: Any) -> dict[str, Any]:
    energies = site_energies(crystal) if energies is None else energies
    formula = crystal.composition.reduced_formula
    return {"name": formula, "structure": crystal.as_dict(), "e": energies, **more}


def json_table(folder: Path, entries: list[dict[str, Any]]) -> Path:
    file = folder / "ions.json"
    file.write_text(json.dumps(entries))
    return file


@pytest.fixture
def dataset(tmp_path: Path) -> FrozenDataset:
    crystals = [rocksalt_crystal(c, a) for a in ANIONS for c in CATIONS][:40]
    return freeze_table(json_table(tmp_path, [entry(one) for one in crystals]), declared())


MGO = rocksalt_crystal("Mg", "O")


def test_each_atom_with_a_number_is_a_record_that_begins_with_it(tmp_path: Path) -> None:
    table = json_table(
        tmp_path,
        [
            entry(MGO, [-1000.0, None], units={"e": "meV"}),
            entry(rocksalt_crystal("Ca", "O"), [None, None]),
        ],
    )
    found = freeze_table(table, declared())
    (only,) = found.records
    assert (only.name, only.level, only.formula) == ("MgO atom 1 (Mg)", Level.ATOM, "MgO")
    assert only.value("site_energy") == pytest.approx(-1.0)
    assert found.left_out == {NO_LABEL: ["CaO"]}
    write_dataset(found, tmp_path / "x.dataset.json.gz")
    again = read_dataset(tmp_path / "x.dataset.json.gz")
    assert (again.digest, again.level, again.records) == (found.digest, Level.ATOM, found.records)


def test_equivalent_atoms_with_equal_numbers_count_once(tmp_path: Path) -> None:
    larger = MGO * (2, 1, 1)  # two Mg, then two O
    table = json_table(tmp_path, [entry(larger, [-1.0, -1.00001, -2.0, -3.0])])
    records = freeze_table(table, declared()).records
    assert [r.name for r in records] == ["MgO atom 1 (Mg)", "MgO atom 3 (O)", "MgO atom 4 (O)"]
    assert [str(r.structure[0].specie) for r in records] == ["Mg", "O", "O"]
    everything = table_structures(table, Level.ATOM)
    assert [r.name for r in everything] == [
        f"MgO atom {k} ({s})" for k, s in enumerate(["Mg", "Mg", "O", "O"], 1)
    ]


def test_columns_of_an_extended_xyz_file_are_numbers_of_atoms(tmp_path: Path) -> None:
    atoms = Atoms(["Mg", "O"], cell=MGO.lattice.matrix, scaled_positions=MGO.frac_coords, pbc=True)
    atoms.arrays["e"] = np.array([2.0, np.nan])
    atoms.info |= {"e_unit": "Ry", "name": "magnesia"}
    write(tmp_path / "ions.xyz", atoms, format="extxyz")
    (only,) = freeze_table(tmp_path / "ions.xyz", declared()).records
    assert only.name == "magnesia atom 1 (Mg)"
    assert only.value("site_energy") == pytest.approx(27.211, abs=1e-3)


@pytest.mark.parametrize(
    ("energies", "error", "message"),
    [
        ([1.0, 2.0, 3.0], InvalidLabelError, "entry 1 of .* holds 3 numbers, and the structure 2"),
        (4.0, MixedLevelsError, r"entry 1 .* is 4\.0, which belongs to the whole structure"),
        ([[1.0, 0.0], [0.0, 1.0]], InvalidLabelError, "no numbers of atoms: 2 for each atom"),
        (["high", 1.0], InvalidLabelError, "no numbers of atoms: could not convert .*high"),
        ([1.0, float("inf")], InvalidLabelError, "site_energy of atom 2 of entry 1 .* is inf"),
        ([None, float("nan")], UnknownPropertyError, "no number in a column e"),
    ],
)
def test_what_is_no_number_for_each_atom_is_named(
    tmp_path: Path, energies: Any, error: type[SurfalignError], message: str
) -> None:
    with pytest.raises(error, match=message):
        freeze_table(json_table(tmp_path, [entry(MGO, energies)]), declared())


def test_levels_and_units_are_not_mixed(tmp_path: Path) -> None:
    both = [entry(MGO), entry(rocksalt_slab("Ca", "O"), [1.0] * 8)]
    with pytest.raises(MixedLevelsError, match="atoms of 1 slabs and of 1 crystals"):
        freeze_table(json_table(tmp_path, both), declared())
    of_crystals = declared(Property(name="site_energy", unit="eV", level=Level.CRYSTAL))
    with pytest.raises(MixedLevelsError, match=r"e of entry 1 .* holds 2 numbers.*level: atom"):
        freeze_table(json_table(tmp_path, [entry(MGO)]), of_crystals)
    partly = [entry(MGO, units={"e": "eV"}), entry(rocksalt_crystal("Ca", "O"))]
    with pytest.raises(MixedUnitsError, match=r"1 of 2 numbers of e .* have no unit"):
        freeze_table(json_table(tmp_path, partly), declared())
    with pytest.raises(MissingStructureError, match="formula MgO alone"):
        freeze_table(json_table(tmp_path, [{"formula": "MgO", "e": [1.0, 2.0]}]), declared())
    with pytest.raises(MixedLevelsError, match="results of the store hold none"):
        freeze_fields([], declared())


def test_a_process_learns_atoms_and_predicts_each_of_a_crystal(
    dataset: FrozenDataset, tmp_path: Path
) -> None:
    registry = ModelRegistry(tmp_path / "models")
    recipe = Recipe("gaussian-process", FAST["gaussian-process"])
    assert retrain(registry, "ions", dataset, recipe, scratch=tmp_path).verdict is Verdict.FIRST
    ensemble, card = registry.load("ions")
    assert card.level is Level.ATOM
    labels = np.array([record.value("site_energy") for record in dataset.records])
    errors = [held.value - held.label for held in blind(ensemble, dataset)]
    assert np.mean(np.abs(errors)) < 0.1 * np.std(labels)
    crystal = load_crystal("MgO")
    predictions = predict_records(structures_of(crystal, Level.ATOM), registry, "ions")
    assert [p.name for p in predictions] == ["MgO atom 1 (Mg)", "MgO atom 2 (O)"]
    assert predictions.headings() == ("Atom", "site energy (eV)", "90 %", "Domain")
    low, high = predictions[0].interval_90("site_energy")
    assert low < predictions[0].estimate.values["site_energy"] < high
    structures = [p.record.structure for p in predictions]
    effects = ensemble.input_effects(structures)
    assert {"potential", "charge"} <= set(effects[0]["site_energy"])
    assert ensemble.predict(structures)[0].attention == {}


def test_the_network_looks_at_one_atom_and_knows_no_supercells(
    dataset: FrozenDataset, tmp_path: Path
) -> None:
    recipe = Recipe("lsoap", {"training": {"epochs": 25}}).for_dataset(dataset)
    learned = on_learned_scale(dataset)
    model = recipe.fit_one(learned.records, directory=tmp_path)
    labels = np.array([r.value("site_energy") for r in learned.records])
    found = model.predict([r.structure for r in learned.records])
    errors = [p.values["site_energy"] - label for p, label in zip(found, labels, strict=True)]
    assert np.mean(np.abs(errors)) < 0.5 * np.std(labels)
    one, many = model.predict([MGO, MGO * (2, 2, 1)])
    assert many.values["site_energy"] == pytest.approx(one.values["site_energy"], abs=2e-4)
    assert one.attention == {}


def test_both_parts_of_a_mixed_model_look_at_atoms(dataset: FrozenDataset) -> None:
    whole = Recipe("mixed", {}).for_dataset(dataset).complete().model_dump(mode="json")
    assert whole["network"]["descriptor"]["level"] == "atom"
    assert whole["process"]["inputs"] == "atom"


def test_kinds_that_know_formulas_alone_are_refused(dataset: FrozenDataset) -> None:
    with pytest.raises(ConfigurationError, match="which all atoms of a structure share"):
        Recipe("composition", {}).for_dataset(dataset)
    with pytest.raises(ConfigurationError, match=r"physical_inputs are those of slabs.* for atoms"):
        Recipe("lsoap", {"network": {"physical_inputs": True}}).for_dataset(dataset).complete()
