"""Transfer from simple to complex crystals: how much data the second kind needs after the first.

A network is pretrained on slabs of few elements (binary oxides) and fine-tuned on growing shares of those
of more (ternary oxides). It is compared with one that starts from scratch on the same share. All are
tested on the same formulas, which none has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from surfalign.errors import EmptyDatasetError
from surfalign.ml.configuration import LearnerConfiguration
from surfalign.ml.data.records import SurfaceRecord
from surfalign.ml.descriptors.density_cache import DensityCache
from surfalign.ml.network.model import TrainedModel
from surfalign.ml.network.training import train_model

TEST_SHARE = 0.3
"""Share of the complex formulas that are tested on."""

FINE_TUNING_SPEED = 0.3
"""Learning rates of fine-tuning, relative to those of training."""


@dataclass(frozen=True)
class TransferPoint:
    """One trained network of a transfer curve.

    Attributes
    ----------
    pretrained
        Whether it started from the network trained on the simple crystals.
    fraction
        Share of the complex training formulas that it saw.
    n_train
        Number of complex slabs that it saw.
    seed
        Of split, weights and order.
    errors
        Mean absolute error of each property on the test slabs, in the property's unit.
    """

    pretrained: bool
    fraction: float
    n_train: int
    seed: int
    errors: dict[str, float]


@dataclass(frozen=True)
class TransferSplit:
    """Slabs of one repetition: to pretrain on, to fine-tune on, to test on."""

    simple: list[SurfaceRecord]
    pool: list[SurfaceRecord]
    test: list[SurfaceRecord]

    def share(self, fraction: float) -> list[SurfaceRecord]:
        """Return the pool's slabs of the first formulas, so that larger shares hold smaller ones."""
        formulas = list(dict.fromkeys(record.formula for record in self.pool))
        kept = set(formulas[: round(fraction * len(formulas))])
        return [record for record in self.pool if record.formula in kept]


def n_elements(record: SurfaceRecord) -> int:
    """Return the number of elements of a slab."""
    return len(record.structure.composition.elements)


def transfer_split(
    records: Sequence[SurfaceRecord],
    seed: int,
    *,
    simple_elements: int = 2,
    is_tested: Callable[[SurfaceRecord], bool] = lambda record: True,
) -> TransferSplit:
    """Divide slabs by their number of elements, and the complex ones by formula.

    Parameters
    ----------
    records
        All slabs.
    seed
        Of the order of the complex formulas.
    simple_elements
        Slabs of at most so many elements are simple.
    is_tested
        Which slabs of the test formulas count.

    Raises
    ------
    EmptyDatasetError
        If there are too few formulas of either kind.
    """
    simple = [r for r in records if n_elements(r) <= simple_elements]
    complex_records = [r for r in records if n_elements(r) > simple_elements]
    formulas = sorted({r.formula for r in complex_records if is_tested(r)})
    if not simple or len(formulas) < 4:
        raise EmptyDatasetError(
            f"{len(simple)} slabs of at most {simple_elements} elements and {len(formulas)} "
            "formulas of more",
            "some of the first and at least 4 of the second",
            "freeze a larger data set",
        )
    shuffled = [formulas[k] for k in np.random.default_rng(seed).permutation(len(formulas))]
    n_test = max(1, round(TEST_SHARE * len(shuffled)))
    held_out = set(shuffled[:n_test])
    order = {formula: place for place, formula in enumerate(shuffled)}
    pool = [r for r in complex_records if r.formula not in held_out]
    pool.sort(key=lambda r: (order.get(r.formula, len(order)), r.formula, r.name))
    test = [r for r in complex_records if r.formula in held_out and is_tested(r)]
    return TransferSplit(simple, pool, test)


def transfer_curve(
    records: Sequence[SurfaceRecord],
    configuration: LearnerConfiguration,
    *,
    fractions: Sequence[float] = (0.0, 0.25, 0.5, 1.0),
    seeds: Sequence[int] = (0, 1, 2),
    directory: Path,
    cache: DensityCache | None = None,
    is_tested: Callable[[SurfaceRecord], bool] = lambda record: True,
    progress: Callable[[str], None] | None = None,
) -> Iterator[TransferPoint]:
    """Give the points of the curve as they are done.

    Parameters
    ----------
    records
        Slabs with labels.
    configuration
        The learner's configuration; ordinary SOAP is one of its representations.
    fractions
        Shares of the complex training formulas; 0 tests the pretrained network as it is.
    seeds
        One repetition each.
    directory
        For checkpoints; a curve that was killed goes on there.
    cache
        Where density coefficients are kept.
    is_tested
        Which slabs of the test formulas count.
    progress
        Called with a line now and then.
    """
    careful = configuration.training.model_copy(
        update={
            "learning_rate": FINE_TUNING_SPEED * configuration.training.learning_rate,
            "descriptor_learning_rate": FINE_TUNING_SPEED
            * configuration.training.descriptor_learning_rate,
        }
    )
    fine_tuning = configuration.model_copy(update={"training": careful})
    for seed in seeds:
        split = transfer_split(records, seed, is_tested=is_tested)
        place = directory / f"seed-{seed}"
        if progress is not None:
            progress(f"seed {seed}: pretraining on {len(split.simple)} slabs")
        first = train_model(
            split.simple, [], configuration, directory=place / "simple", seed=seed, cache=cache
        )
        for fraction in fractions:
            share = split.share(fraction)
            for pretrained in (True, False):
                if not share and not pretrained:
                    continue
                model = first
                if share:
                    model = train_model(
                        share,
                        [],
                        fine_tuning if pretrained else configuration,
                        directory=place / f"{fraction:g}-{'tuned' if pretrained else 'scratch'}",
                        seed=seed,
                        cache=cache,
                        start=first if pretrained else None,
                    )
                yield TransferPoint(
                    pretrained, fraction, len(share), seed, mean_errors(model, split.test)
                )


def mean_errors(model: TrainedModel, records: Sequence[SurfaceRecord]) -> dict[str, float]:
    """Return the mean absolute error of each property that the slabs have labels of."""
    predictions = model.predict([record.structure for record in records])
    found = {}
    for name in model.properties:
        errors: NDArray[np.float64] = np.array(
            [
                abs(prediction.values[name] - record.value(name))
                for prediction, record in zip(predictions, records, strict=True)
            ]
        )
        if np.isfinite(errors).any():
            found[name] = float(np.nanmean(errors))
    return found
