"""Transfer: no formula on both sides, larger shares hold smaller ones, the curve is complete."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from model_contract import rocksalt_slab, small_configuration

from surfalign.errors import EmptyDatasetError, LearnerError
from surfalign.ml.data.records import Label, SurfaceRecord, surface_record
from surfalign.ml.descriptors.density_cache import DensityCache
from surfalign.ml.ensemble.transfer import n_elements, transfer_curve, transfer_split
from surfalign.ml.network.training import train_model

CONSTANTS = {"Mg": 4.21, "Ca": 4.81, "Sr": 5.16, "Ba": 5.54, "Cd": 4.70, "Zn": 4.28}


def record(first: str, second: str | None = None) -> SurfaceRecord:
    constant = np.mean([CONSTANTS[c] for c in (first, second) if c])
    slab = rocksalt_slab(5, first, float(constant))
    if second:
        slab.replace(0, second)
    label = Label(
        name="ionization_potential", value=12.0 - 1.2 * constant, unit="eV", fidelity="dft"
    )
    return surface_record(f"{first}{second}", slab, "test", labels=[label])


def records() -> list[SurfaceRecord]:
    cations = list(CONSTANTS)
    pairs = [record(a, b) for a in cations for b in cations if a < b]
    return [*(record(c) for c in cations), *pairs]


def test_split_keeps_formulas_apart() -> None:
    split = transfer_split(records(), seed=0)
    assert {n_elements(r) for r in split.simple} == {2}
    assert {n_elements(r) for r in [*split.pool, *split.test]} == {3}
    assert not {r.formula for r in split.pool} & {r.formula for r in split.test}
    assert split.share(0.0) == []
    names = [{r.name for r in split.share(f)} for f in (0.25, 0.5, 1.0)]
    assert names[0] < names[1] < names[2]
    assert len(names[2]) == len(split.pool)
    assert [r.name for r in transfer_split(records(), seed=0).test] == [r.name for r in split.test]


def test_curve_has_every_point(tmp_path: Path) -> None:
    points = list(
        transfer_curve(
            records(),
            small_configuration(epochs=3),
            fractions=(0.0, 1.0),
            seeds=(0, 1),
            directory=tmp_path,
            cache=DensityCache(tmp_path / "densities"),
        )
    )
    assert [(p.seed, p.fraction, p.pretrained) for p in points] == [
        (seed, fraction, pretrained)
        for seed in (0, 1)
        for fraction, pretrained in ((0.0, True), (1.0, True), (1.0, False))
    ]
    assert all(np.isfinite(p.errors["ionization_potential"]) for p in points)
    assert points[0].n_train == 0


def test_too_few_complex_formulas() -> None:
    with pytest.raises(EmptyDatasetError, match="at least 4"):
        transfer_split(records()[:8], seed=0)


def test_start_of_other_fidelities_is_refused(tmp_path: Path) -> None:
    cache = DensityCache(None)
    first = train_model(
        records()[:4], [], small_configuration(epochs=1), directory=tmp_path / "a", cache=cache
    )
    other = [
        surface_record(
            r.name,
            r.structure,
            "test",
            labels=[Label(name="ionization_potential", value=5.0, unit="eV", fidelity="other")],
        )
        for r in records()[:4]
    ]
    with pytest.raises(LearnerError, match="starting model predicts"):
        train_model(
            other,
            [],
            small_configuration(epochs=1),
            directory=tmp_path / "b",
            cache=cache,
            start=first,
        )
