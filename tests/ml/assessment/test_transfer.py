"""Transfer: no formula on both sides, shares in proportion, arms that are compared on the same slabs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from model_contract import rocksalt_slab, small_configuration

from surfalign.errors import EmptyDatasetError, LearnerError
from surfalign.ml.assessment.transfer import (
    Arm,
    arm_data,
    mean_error,
    n_elements,
    paired_difference,
    transfer_points,
    transfer_split,
)
from surfalign.ml.configuration import LearnerConfiguration, Representation
from surfalign.ml.data.records import Label, SurfaceRecord, surface_record
from surfalign.ml.descriptors.density_cache import DensityCache
from surfalign.ml.network.training import train_model

CONSTANTS = {"Mg": 4.21, "Ca": 4.81, "Sr": 5.16, "Ba": 5.54, "Cd": 4.70, "Zn": 4.28}


def record(first: str, second: str | None = None, gap: float = 3.0) -> SurfaceRecord:
    constant = np.mean([CONSTANTS[c] for c in (first, second) if c])
    slab = rocksalt_slab(5, first, float(constant))
    if second:
        slab.replace(0, second)
    labels = [
        Label(name="ionization_potential", value=12.0 - 1.2 * constant, unit="eV", fidelity="dft"),
        Label(name="band_gap", value=gap, unit="eV", fidelity="dft"),
    ]
    return surface_record(f"{first}{second}", slab, "test", labels=labels)


def records(n_metallic: int = 0) -> list[SurfaceRecord]:
    """Six binaries and fifteen ternaries, the last of which are metallic."""
    cations = list(CONSTANTS)
    pairs = [(a, b) for a in cations for b in cations if a < b]
    gaps = [3.0] * (len(pairs) - n_metallic) + [0.0] * n_metallic
    ternaries = [record(a, b, gap) for (a, b), gap in zip(pairs, gaps, strict=True)]
    return [*(record(c) for c in cations), *ternaries]


def test_split_keeps_formulas_apart() -> None:
    split = transfer_split(records(5), seed=0)
    pool = [r for _, slabs in split.pool for r in slabs]
    assert {n_elements(r) for r in split.simple} == {2}
    assert {n_elements(r) for r in [*pool, *split.test]} == {3}
    assert not {r.formula for r in pool} & {r.formula for r in split.test}
    assert all(r.value("band_gap") == 3.0 for r in split.test)
    assert (len(split.test), split.n_gapped, len(split.pool)) == (3, 7, 12)
    assert split.share(0) == []
    names = [{r.name for r in split.share(n)} for n in (2, 4, 7)]
    assert names[0] < names[1] < names[2]
    assert [r.name for r in transfer_split(records(5), seed=0).test] == [r.name for r in split.test]


def test_every_share_holds_gapped_and_metallic_formulas_in_proportion() -> None:
    for seed in range(5):
        split = transfer_split(records(7), seed)
        assert split.n_gapped == 6
        for n in range(1, 7):
            share = split.share(n)
            gapped = sum(r.value("band_gap") > 0 for r in share)
            assert gapped == n
            assert abs((len(share) - gapped) - 7 * n / 6) <= 1.0
    orders = {tuple(r.name for r in transfer_split(records(), s).share(3)) for s in range(5)}
    assert len(orders) == 5


def test_what_each_arm_learns_from() -> None:
    split = transfer_split(records(), seed=0)
    share = split.share(3)
    configuration = small_configuration()

    def data(arm: Arm) -> tuple[list[SurfaceRecord], LearnerConfiguration]:
        return arm_data(arm, split.simple, share, configuration)

    assert [r.name for r in data(Arm.SCRATCH)[0]] == [r.name for r in share]
    tuned, slow = data(Arm.TUNED)
    assert len(tuned) == 3
    rate = configuration.training.learning_rate
    assert slow.training.learning_rate == pytest.approx(0.3 * rate)
    assert len(data(Arm.JOINT)[0]) == 9
    shifted, with_offset = data(Arm.OFFSET)
    fidelities = [label.fidelity for r in shifted for label in r.labels]
    assert fidelities == ["dft (simple)"] * 12 + ["dft"] * 6
    assert with_offset.targets.fidelity == "dft"
    assert data(Arm.ORDINARY)[1].network.representation is Representation.ORDINARY


def test_curve_has_every_point_and_its_differences_are_paired(tmp_path: Path) -> None:
    points = list(
        transfer_points(
            records(),
            small_configuration(epochs=3),
            counts=(0, 4),
            seeds=(0, 1),
            arms=(Arm.SCRATCH, Arm.TUNED, Arm.JOINT, Arm.OFFSET),
            directory=tmp_path,
            cache=DensityCache(tmp_path / "densities"),
        )
    )
    assert [(p.seed, p.n_gapped, p.arm) for p in points] == [
        (seed, n, arm)
        for seed in (0, 1)
        for n, arm in ((0, Arm.JOINT), *((4, a) for a in list(Arm)[:4]))
    ]
    name = "ionization_potential"
    assert all(len(p.errors[name]) == len(p.formulas) == 4 for p in points)
    assert points[0].n_slabs == 0
    error, bounds = mean_error(points, Arm.JOINT, 4, name)
    own = [e for p in points if (p.arm, p.n_gapped) == (Arm.JOINT, 4) for e in p.errors[name]]
    assert error == pytest.approx(np.mean(own))
    assert bounds is not None
    same, zero = paired_difference(points, Arm.JOINT, Arm.JOINT, 4, name)
    assert (same, zero) == (0.0, [0.0, 0.0])
    difference, _ = paired_difference(points, Arm.JOINT, Arm.SCRATCH, 4, name)
    scratch, _ = mean_error(points, Arm.SCRATCH, 4, name)
    assert difference == pytest.approx(error - scratch)
    assert paired_difference(points, Arm.JOINT, Arm.SCRATCH, 0, name) == (None, None)


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
