"""Gaps and dielectric constants of the reference oxides: read, learned, and better than no learner."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from surfalign.ml.assessment.held_out import blind
from surfalign.ml.assessment.metrics import summarise
from surfalign.ml.ensemble.recipe import Recipe
from surfalign.ml.properties.declarations import read_declarations
from surfalign.ml.properties.from_table import freeze_table

PROPERTIES = """\
properties:
  band_gap: {unit: eV, level: crystal, minimum: 0, column: gap_ddh_ev}
  dielectric_constant: {unit: 1, level: crystal, transformation: log, minimum: 1, column: eps_electronic_avg}
source: {functional: ddh, method: pbesol, origin: reference}
"""


def test_gap_and_dielectric_constant_of_the_reference_oxides_are_learned(
    shared_data: Path, tmp_path: Path
) -> None:
    (tmp_path / "oxides.yaml").write_text(PROPERTIES)
    dataset = freeze_table(
        shared_data / "crystals" / "ddh_oxides_pbesol.json.gz",
        read_declarations(tmp_path / "oxides.yaml"),
    )
    labels = list(dataset.labels())
    counts = Counter(label.name for label in labels)
    assert counts == {"band_gap": 548, "dielectric_constant": 636}
    ensemble = Recipe("composition", {"n_estimators": 100}).fit(dataset, scratch=tmp_path)
    errors = summarise(blind(ensemble, dataset))
    for name, unit in (("band_gap", "eV"), ("dielectric_constant", "1")):
        values = [label.value for label in labels if label.name == name]
        without = np.mean(np.abs(np.array(values) - np.median(values)))
        assert errors[name]["unit"] == unit
        assert errors[name]["mae"] < 0.7 * without
