"""Training: it learns, stops, resumes after a kill, and knows fidelities and sets of slabs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from model_contract import ModelContract, rocksalt_slab
from model_contract import small_configuration as configuration

from surfalign.errors import (
    ConfigurationError,
    EmptyDatasetError,
    LearnerError,
    ModelVersionError,
    UnknownElementError,
)
from surfalign.ml.configuration import LearnerConfiguration
from surfalign.ml.data.records import (
    Label,
    SetLabel,
    Statistic,
    SurfaceRecord,
    surface_record,
)
from surfalign.ml.descriptors.density_cache import DensityCache
from surfalign.ml.network.model import TrainedModel
from surfalign.ml.network.training import train_model

CATIONS = ("Mg", "Ca", "Sr", "Ba", "Cd", "Zn")
CONSTANTS = dict(zip(CATIONS, (4.21, 4.81, 5.16, 5.54, 4.70, 4.28), strict=True))


def level(cation: str, layers: int) -> float:
    """A made-up ionization potential that follows the lattice constant."""
    return 12.0 - 1.2 * CONSTANTS[cation] + 0.02 * layers


def records(
    cations: Sequence[str] = CATIONS, fidelity: str = "dft", shift: float = 0.0
) -> list[SurfaceRecord]:
    found = []
    for cation in cations:
        for layers in (5, 7):
            value = level(cation, layers) + shift
            labels = [
                Label(name=name, value=value - gap, unit="eV", fidelity=fidelity, weight=1.0)
                for name, gap in (("ionization_potential", 0.0), ("electron_affinity", 4.0))
            ]
            slab = rocksalt_slab(layers, cation, CONSTANTS[cation])
            found.append(surface_record(f"{cation}{layers}{fidelity}", slab, "test", labels=labels))
    return found


def errors(model: TrainedModel, found: Sequence[SurfaceRecord]) -> float:
    predictions = model.predict([record.structure for record in found])
    return float(
        np.mean(
            [
                abs(p.values["ionization_potential"] - r.value("ionization_potential"))
                for p, r in zip(predictions, found, strict=True)
            ]
        )
    )


@pytest.fixture
def cache(tmp_path: Path) -> DensityCache:
    return DensityCache(tmp_path / "densities")


def test_it_learns(tmp_path: Path, cache: DensityCache) -> None:
    lines: list[str] = []
    train, validation = records(), records(["Ca"])
    model = train_model(
        train,
        validation,
        configuration(epochs=60, learning_rate=5e-3),
        directory=tmp_path / "run",
        cache=cache,
        progress=lines.append,
    )
    spread = np.std([r.value("ionization_potential") for r in train])
    assert errors(model, train) < 0.25 * spread
    assert len(lines) == 60
    assert lines[0].startswith("epoch 1 of 60, training loss")
    assert "validation error" in lines[-1]
    assert model.metadata["fidelity"] == "dft"
    assert model.elements == {*CATIONS, "O"}
    assert (tmp_path / "run" / "log" / "version_0" / "metrics.csv").is_file()


def test_killed_run_resumes_and_equals_an_uninterrupted_one(
    tmp_path: Path, cache: DensityCache
) -> None:
    class KilledError(Exception):
        pass

    def kill(line: str) -> None:
        if line.startswith("epoch 4"):
            raise KilledError

    options = configuration(epochs=6)
    parts = records(CATIONS[:5]), records(CATIONS[5:])
    whole = train_model(*parts, options, directory=tmp_path / "whole", cache=cache, seed=3)
    with pytest.raises(KilledError):
        train_model(*parts, options, directory=tmp_path / "cut", cache=cache, seed=3, progress=kill)
    lines: list[str] = []
    resumed = train_model(
        *parts, options, directory=tmp_path / "cut", cache=cache, seed=3, progress=lines.append
    )
    assert 1 <= len(lines) <= 3
    assert lines[-1].startswith("epoch 6")
    for name, tensor in whole.tensors().items():
        torch.testing.assert_close(resumed.tensors()[name], tensor, msg=name)


def test_directory_of_another_run_is_not_continued(tmp_path: Path, cache: DensityCache) -> None:
    train_model(records(), [], configuration(), directory=tmp_path / "run", cache=cache)
    lines: list[str] = []
    train_model(
        records(),
        [],
        configuration(),
        directory=tmp_path / "run",
        cache=cache,
        seed=1,
        progress=lines.append,
    )
    assert len(lines) == 4


def test_same_seed_same_model(tmp_path: Path, cache: DensityCache) -> None:
    one, same, other = (
        train_model(
            records(), [], configuration(), directory=tmp_path / name, cache=cache, seed=seed
        )
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    key = "atom_network.second.weight"
    assert torch.equal(one.tensors()[key], same.tensors()[key])
    assert not torch.equal(one.tensors()[key], other.tensors()[key])


def test_early_stopping(tmp_path: Path, cache: DensityCache) -> None:
    # The validation labels contradict the training labels, so learning makes them worse.
    lines: list[str] = []
    train_model(
        records(CATIONS[:4]),
        records(CATIONS[:4], shift=-3.0),
        configuration(epochs=200, patience=2, learning_rate=1e-2),
        directory=tmp_path / "run",
        cache=cache,
        progress=lines.append,
    )
    assert len(lines) < 200


def test_the_error_that_chooses_the_epoch_weighs_labels_as_the_loss_does(
    tmp_path: Path, cache: DensityCache
) -> None:
    """A validation slab of weight zero, absurdly wrong, changes nothing."""

    def reported(validation: Sequence[SurfaceRecord], name: str) -> list[str]:
        lines: list[str] = []
        train_model(
            records(), validation, configuration(), directory=tmp_path / name, cache=cache,
            progress=lines.append,
        )  # fmt: skip
        return lines

    wrong = [
        replace(r, labels=tuple(replace(l, value=l.value + 50.0, weight=0.0) for l in r.labels))
        for r in records(["Sr"])
    ]
    assert reported([*records(["Ca"]), *wrong], "both") == reported(records(["Ca"]), "one")


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_precisions_give_the_same_model_within_theirs(
    tmp_path: Path, cache: DensityCache, precision: str
) -> None:
    slab = [rocksalt_slab(7, "Sr", CONSTANTS["Sr"])]
    single, other = (
        train_model(
            records(),
            [],
            configuration(precision=chosen),
            directory=tmp_path / chosen,
            cache=cache,
        ).predict(slab)[0]
        for chosen in ("32-true", precision)
    )
    assert other.values == pytest.approx(single.values, abs=0.05)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_gpu_gives_the_same_model(tmp_path: Path, cache: DensityCache, precision: str) -> None:
    slab = [rocksalt_slab(7, "Sr", CONSTANTS["Sr"])]
    cpu, gpu = (
        train_model(
            records(),
            records(["Ca"]),
            configuration(accelerator=accelerator, precision=precision),
            directory=tmp_path / accelerator,
            cache=cache,
        ).predict(slab)[0]
        for accelerator in ("cpu", "gpu")
    )
    assert gpu.values == pytest.approx(cpu.values, abs=0.05)


def test_fidelities_differ_by_an_offset(tmp_path: Path, cache: DensityCache) -> None:
    both = [*records(), *records(CATIONS[:3], fidelity="cheap", shift=-2.0)]
    model = train_model(
        both,
        [],
        configuration(epochs=80, learning_rate=5e-3),
        directory=tmp_path / "run",
        cache=cache,
    )
    assert model.metadata["fidelities"] == ["dft", "cheap"]
    slab = [rocksalt_slab(7, "Sr", CONSTANTS["Sr"])]
    good = model.predict(slab)[0].values["ionization_potential"]
    cheap = model.predict(slab, fidelity="cheap")[0].values["ionization_potential"]
    assert cheap == pytest.approx(good - 2.0, abs=0.7)
    with pytest.raises(LearnerError, match="does not know the fidelity"):
        model.predict(slab, fidelity="experiment")


def test_weak_labels_of_sets_alone_teach(tmp_path: Path, cache: DensityCache) -> None:
    slabs = [surface_record(r.name, r.structure, "test") for r in records(fidelity="none")]
    sets = [
        SetLabel(
            name="ionization_potential",
            value=level(cation, 6),
            unit="eV",
            fidelity="paper",
            members=(f"{cation}5none", f"{cation}7none"),
            statistic=statistic,
            formula=f"{cation}O",
            source="test",
        )
        for cation, statistic in zip(CATIONS, [Statistic.MEDIAN, Statistic.ONE_OF] * 3, strict=True)
    ]
    model = train_model(
        slabs,
        [],
        configuration(epochs=80, learning_rate=5e-3),
        set_labels=sets,
        directory=tmp_path / "run",
        cache=cache,
    )
    assert model.properties == ("ionization_potential",)
    spread = np.std([s.value for s in sets])
    assert errors(model, records()) < 0.5 * spread


def test_nothing_to_learn_from(tmp_path: Path, cache: DensityCache) -> None:
    with pytest.raises(EmptyDatasetError, match="no slabs"):
        train_model([], [], configuration(), directory=tmp_path, cache=cache)
    bare = [surface_record("bare", rocksalt_slab(5), "test")]
    with pytest.raises(EmptyDatasetError, match="label"):
        train_model(bare, [], configuration(), directory=tmp_path, cache=cache)


def test_fidelity_that_no_label_has(tmp_path: Path, cache: DensityCache) -> None:
    plain = configuration().model_dump()
    plain["targets"]["fidelity"] = "experiment"
    with pytest.raises(LearnerError, match="no label has the fidelity"):
        train_model(
            records(),
            [],
            LearnerConfiguration.model_validate(plain),
            directory=tmp_path,
            cache=cache,
        )


def test_elements_that_were_never_seen(tmp_path: Path, cache: DensityCache) -> None:
    model = train_model(records(), [], configuration(), directory=tmp_path, cache=cache)
    unseen = model.predict([rocksalt_slab(5, "Mn", 4.4)])[0]
    assert np.isfinite(unseen.values["ionization_potential"])
    with pytest.raises(UnknownElementError, match="Fm"):
        model.predict([rocksalt_slab(5, "Fm", 4.4)])


def test_model_of_another_version_is_refused(tmp_path: Path, cache: DensityCache) -> None:
    model = train_model(records(), [], configuration(), directory=tmp_path, cache=cache)
    tensors = model.tensors()
    with pytest.raises(ModelVersionError, match="format 999"):
        TrainedModel.from_tensors(model.configuration, {**model.metadata, "format": 999}, tensors)
    tensors.pop("mean")
    with pytest.raises(ModelVersionError, match="do not fit"):
        TrainedModel.from_tensors(model.configuration, model.metadata, tensors)


class TestTrainedModel(ModelContract):
    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
        return train_model(
            records(),
            [],
            configuration(),
            directory=tmp_path_factory.mktemp("run"),
            cache=DensityCache(None),
        )


def test_training_in_two_processes_needs_both(tmp_path: Path, cache: DensityCache) -> None:
    with pytest.raises(ConfigurationError, match="started alone"):
        train_model(records(), [], configuration(processes=2), directory=tmp_path, cache=cache)
