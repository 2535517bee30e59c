"""From results to a data set: what is learned from, and what is left out and why."""

from __future__ import annotations

import math

import pytest
from stored_results import failed_result, flagged_result, passed_result, slab

from surfalign.errors import EmptyDatasetError, MixedMethodsError
from surfalign.ml.data.from_results import (
    FLAGGED_WEIGHT,
    NO_NUMBER,
    NO_SLAB,
    OTHER_OXYGEN,
    freeze_results,
)
from surfalign.ml.data.records import Fidelity

UNRELAXED = slab()
DDH = Fidelity("ddh", "gpaw, quick, relaxed", "store").key
PBESOL = Fidelity("pbesol", "gpaw, quick, relaxed", "store").key


def learnable(identifier: str = "mgo-100", **fields: object):  # type: ignore[no-untyped-def]
    return passed_result(
        identifier, **{"unrelaxed_slab_structure": UNRELAXED, "engine": "gpaw"} | fields
    )


def test_the_unrelaxed_slab_has_the_levels_of_the_relaxed_one() -> None:
    relaxed = slab()
    relaxed.translate_sites([0], [0, 0, 0.01])
    dataset = freeze_results([learnable(slab_structure=relaxed)])
    (record,) = dataset.records
    assert record.structure.frac_coords.tolist() == UNRELAXED.frac_coords.tolist()
    assert record.source == "store:mgo-100"
    assert record.miller_index == (1, 0, 0)
    assert {label.name: label.value for label in record.labels} == {
        "ionization_potential": 7.15,
        "electron_affinity": -0.75,
        "band_gap": 7.9,
        "surface_energy": 1.15,
    }
    assert {label.fidelity for label in record.labels} == {DDH}
    assert set(dataset.fidelities) == {DDH}


def test_semilocal_levels_are_a_fidelity_of_their_own() -> None:
    result = learnable(semilocal_ionization_potential=4.8, semilocal_band_gap=4.6)
    dataset = freeze_results([result])
    semilocal = {l.name: l.value for l in dataset.records[0].labels if l.fidelity == PBESOL}
    assert semilocal == {
        "ionization_potential": 4.8, "electron_affinity": pytest.approx(0.2), "band_gap": 4.6,
    }  # fmt: skip
    assert set(dataset.fidelities) == {DDH, PBESOL}


def test_what_cannot_be_learned_from_is_named() -> None:
    results = [
        learnable(),
        flagged_result("cao", unrelaxed_slab_structure=UNRELAXED),
        failed_result("zno"),
        passed_result("no-slab"),
        learnable("nan", ionization_potential=math.nan, electron_affinity=None, band_gap=None,
                  surface_energy=None),
        learnable("reduced", excess_oxygen=-2),
    ]  # fmt: skip
    dataset = freeze_results(results)
    assert len(dataset.records) == 1
    assert {reason: len(names) for reason, names in dataset.left_out.items()} == {
        "flagged: slab_centre": 1,
        "failed: ConvergenceError": 1,
        NO_SLAB: 1,
        NO_NUMBER: 1,
        OTHER_OXYGEN: 1,
    }
    wanted = freeze_results(results, flagged=True)
    assert len(wanted.records) == 2
    weights = {l.weight for r in wanted.records if "cao" in r.name for l in r.labels}
    assert weights == {FLAGGED_WEIGHT}


def test_only_failures_are_an_empty_data_set() -> None:
    with pytest.raises(EmptyDatasetError, match="1 left out: failed: ConvergenceError"):
        freeze_results([failed_result("zno")])


def test_results_of_several_methods_are_refused_with_their_names() -> None:
    results = [
        learnable("a"),
        learnable("b"),
        learnable("c", functional="hse06"),
        learnable("d", functional="ddh+soc"),
        failed_result("e", functional="pbe0"),
    ]
    with pytest.raises(MixedMethodsError, match=r"3 methods: 2 of ddh, 1 of hse06, 1 of ddh\+soc"):
        freeze_results(results)
    dataset = freeze_results(results, mixed=True)
    assert len(dataset.records) == 4
    assert len(dataset.fidelities) == 3


def test_results_of_one_table_of_u_are_of_one_method() -> None:
    """Each name tells only of the elements that are in its crystal."""
    results = [
        learnable("a", functional="hse06@pbe+u-Ti3", semilocal_functional="pbe+u-Ti3"),
        learnable("b", functional="hse06@pbe+u-Zn5", semilocal_functional="pbe+u-Zn5"),
        failed_result("c", functional="hse06@pbe+u-Ti4"),
    ]
    dataset = freeze_results(results)
    assert len(dataset.records) == 2
    assert {f.functional for f in dataset.fidelities.values()} == {"hse06@pbe+u-Ti3-Zn5"}
    results.append(
        learnable("d", functional="hse06@pbe+u-Ti4-Zn5", semilocal_functional="pbe+u-Ti4-Zn5")
    )
    with pytest.raises(MixedMethodsError, match=r"3 methods: 1 of hse06@pbe\+u-Ti3"):
        freeze_results(results)


def test_the_semilocal_levels_carry_the_name_of_their_functional() -> None:
    result = learnable(
        functional="hse06@pbe+u-Mg3", semilocal_functional="pbe+u-Mg3",
        semilocal_ionization_potential=4.8, semilocal_band_gap=4.6,
    )  # fmt: skip
    assert {f.functional for f in freeze_results([result]).fidelities.values()} == {
        "hse06@pbe+u-Mg3",
        "pbe+u-Mg3",
    }
