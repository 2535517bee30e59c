"""Transfer from simple to complex crystals: what slabs of few elements (binaries) are worth for those of more.

Ternary formulas are divided once for each split: some are tested on, the others are a pool that networks see more
and more of. Each arm is another way to use the binaries. All arms of a split are tested on the same slabs, which
none has seen, so that their differences are paired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from surfalign.errors import EmptyDatasetError
from surfalign.ml.assessment.metrics import estimate
from surfalign.ml.configuration import LearnerConfiguration, Representation
from surfalign.ml.data.label_quality import is_near_metal
from surfalign.ml.data.records import SurfaceRecord
from surfalign.ml.descriptors.density_cache import DensityCache
from surfalign.ml.network.model import TrainedModel
from surfalign.ml.network.training import train_model

TEST_SHARE = 0.3
"""Share of the complex formulas with a gap that are tested on."""

FINE_TUNING_SPEED = 0.3
"""Learning rates of fine-tuning, relative to those of training."""

SIMPLE = " (simple)"
"""What is added to the fidelity of the simple slabs where they get an offset of their own."""


class Arm(StrEnum):
    """How the simple slabs are used."""

    SCRATCH = "scratch"  # not at all
    TUNED = "fine-tuned"  # learned from first, then the complex ones alone
    JOINT = "joint"  # together with the complex ones
    OFFSET = "joint with an offset"  # together, as a fidelity of their own
    ORDINARY = "ordinary SOAP, joint"  # together, by a network on ordinary SOAP


@dataclass(frozen=True)
class TransferPoint:
    """One trained network, and its errors.

    Attributes
    ----------
    arm
        How the simple slabs were used.
    n_gapped
        Number of complex formulas with a gap that it saw.
    n_slabs
        Number of complex slabs that it saw, near-metals included.
    seed
        Of split, weights and order.
    formulas
        Formula of each test slab.
    weights
        Property to the weights of its labels.
    errors
        Property to the absolute errors, in the property's unit; in the order of ``formulas``.
    """

    arm: Arm
    n_gapped: int
    n_slabs: int
    seed: int
    formulas: list[str]
    weights: dict[str, list[float]]
    errors: dict[str, list[float]]


@dataclass(frozen=True)
class TransferSplit:
    """Slabs of one repetition.

    Attributes
    ----------
    simple
        Slabs of few elements.
    pool
        Complex formulas in random order, each with its slabs and whether one of them has a gap; those with and
        without come in proportion all the way.
    test
        Complex slabs with a gap, of other formulas.
    """

    simple: list[SurfaceRecord]
    pool: list[tuple[bool, list[SurfaceRecord]]]
    test: list[SurfaceRecord]

    @property
    def n_gapped(self) -> int:
        """Number of formulas of the pool with a gap."""
        return sum(gapped for gapped, _ in self.pool)

    def share(self, n_gapped: int) -> list[SurfaceRecord]:
        """Return the slabs of the first formulas, so many of them with a gap; larger shares hold smaller ones."""
        kept: list[SurfaceRecord] = []
        seen = 0
        for gapped, slabs in self.pool if n_gapped else []:
            if gapped and seen == n_gapped:
                break
            seen += gapped
            kept += slabs
        return kept


def n_elements(record: SurfaceRecord) -> int:
    """Return the number of elements of a slab."""
    return len(record.structure.composition.elements)


def transfer_split(
    records: Sequence[SurfaceRecord], seed: int, *, simple_elements: int = 2
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

    Raises
    ------
    EmptyDatasetError
        If there are too few formulas of either kind.
    """
    simple = [r for r in records if n_elements(r) <= simple_elements]
    members: dict[str, list[SurfaceRecord]] = {}
    for record in records:
        if n_elements(record) > simple_elements:
            members.setdefault(record.formula, []).append(record)
    gapped = [f for f in sorted(members) if any(_has_gap(r) for r in members[f])]
    metallic = [f for f in sorted(members) if f not in set(gapped)]
    if not simple or len(gapped) < 4:
        raise EmptyDatasetError(
            f"{len(simple)} slabs of at most {simple_elements} elements and {len(gapped)} "
            "formulas of more with a gap",
            "some of the first and at least 4 of the second",
            "freeze a larger data set",
        )
    generator = np.random.default_rng(seed)
    gapped = [gapped[k] for k in generator.permutation(len(gapped))]
    metallic = [metallic[k] for k in generator.permutation(len(metallic))]
    n_test = max(1, round(TEST_SHARE * len(gapped)))
    places = [(place, formula) for kind in (gapped[n_test:], metallic)
              for place, formula in zip((np.arange(len(kind)) + 0.5) / max(len(kind), 1), kind,
                                        strict=True)]  # fmt: skip
    pool = [(f in set(gapped), members[f]) for _, f in sorted(places)]
    test = [r for f in gapped[:n_test] for r in members[f] if _has_gap(r)]
    return TransferSplit(simple, pool, test)


def transfer_points(
    records: Sequence[SurfaceRecord],
    configuration: LearnerConfiguration,
    *,
    counts: Sequence[int],
    seeds: Sequence[int],
    arms: Sequence[Arm] = tuple(Arm),
    directory: Path,
    cache: DensityCache | None = None,
    progress: Callable[[str], None] | None = None,
) -> Iterator[TransferPoint]:
    """Give the points of the curves as they are done.

    Parameters
    ----------
    records
        Slabs with labels.
    configuration
        The learner's configuration.
    counts
        Numbers of complex formulas with a gap; with 0 only ``JOINT`` and ``ORDINARY`` are trained, on the simple
        slabs alone. Counts beyond the pool mean all of it.
    seeds
        One split each.
    arms
        Which to train.
    directory
        For checkpoints; a run that was killed goes on there.
    cache
        Where density coefficients are kept.
    progress
        Called with a line now and then.
    """
    for seed in seeds:
        split = transfer_split(records, seed)
        place = directory / f"seed-{seed}"
        first = None
        if Arm.TUNED in arms:
            first = train_model(
                split.simple, [], configuration, directory=place / "simple", seed=seed, cache=cache
            )
        for count in dict.fromkeys(min(count, split.n_gapped) for count in counts):
            share = split.share(count)
            for arm in arms:
                if not share and arm not in (Arm.JOINT, Arm.ORDINARY):
                    continue
                if progress is not None:
                    progress(f"seed {seed}: {arm}, {count} formulas with a gap")
                train, chosen = arm_data(arm, split.simple, share, configuration)
                model = train_model(
                    train,
                    [],
                    chosen,
                    directory=place / f"{count}-{arm}",
                    seed=seed,
                    cache=cache,
                    start=first if arm is Arm.TUNED else None,
                )
                yield _point(model, arm, count, len(share), seed, split.test)


def arm_data(
    arm: Arm,
    simple: Sequence[SurfaceRecord],
    share: Sequence[SurfaceRecord],
    configuration: LearnerConfiguration,
) -> tuple[list[SurfaceRecord], LearnerConfiguration]:
    """Return what a network of an arm learns from, and its configuration."""
    if arm is Arm.SCRATCH:
        return list(share), configuration
    if arm is Arm.TUNED:
        options = configuration.training
        careful = {
            name: FINE_TUNING_SPEED * getattr(options, name)
            for name in ("learning_rate", "descriptor_learning_rate")
        }
        slow = configuration.model_copy(update={"training": options.model_copy(update=careful)})
        return list(share), slow
    if arm is Arm.OFFSET:
        shifted = [
            replace(r, labels=tuple(replace(l, fidelity=l.fidelity + SIMPLE) for l in r.labels))
            for r in simple
        ]
        fidelity = next(label.fidelity for record in share for label in record.labels)
        targets = configuration.targets.model_copy(update={"fidelity": fidelity})
        return [*shifted, *share], configuration.model_copy(update={"targets": targets})
    if arm is Arm.ORDINARY:
        ordinary = configuration.network.model_copy(
            update={"representation": Representation.ORDINARY}
        )
        return [*simple, *share], configuration.model_copy(update={"network": ordinary})
    return [*simple, *share], configuration


def mean_error(
    points: Iterable[TransferPoint], arm: Arm, n_gapped: int, name: str
) -> tuple[float | None, list[float] | None]:
    """Return the error of an arm over all splits, and its 95 % interval from a bootstrap over formulas."""
    rows = [
        (formula, weight, error)
        for point in points
        if (point.arm, point.n_gapped) == (arm, n_gapped)
        for formula, weight, error in zip(
            point.formulas, point.weights[name], point.errors[name], strict=True
        )
    ]
    return _estimate(rows)


def paired_difference(
    points: Iterable[TransferPoint], arm: Arm, other: Arm, n_gapped: int, name: str
) -> tuple[float | None, list[float] | None]:
    """Return the error of one arm minus that of another on the same slabs, with its 95 % interval."""
    own = {(p.arm, p.seed): p for p in points if p.n_gapped == n_gapped}
    rows = []
    for (kind, seed), point in own.items():
        if kind is arm and (other, seed) in own:
            opponent = own[other, seed]
            rows += [
                (formula, weight, error - theirs)
                for formula, weight, error, theirs in zip(
                    point.formulas, point.weights[name], point.errors[name],
                    opponent.errors[name], strict=True,
                )
            ]  # fmt: skip
    return _estimate(rows)


def _estimate(rows: Sequence[tuple[str, float, float]]) -> tuple[float | None, list[float] | None]:
    weights = np.array([weight for _, weight, _ in rows])
    values = np.array([value for _, _, value in rows])
    columns = np.column_stack([weights, weights * values]) if rows else np.zeros((0, 2))
    return estimate(columns, [f for f, _, _ in rows], lambda sums: sums[..., 1] / sums[..., 0])


def _has_gap(record: SurfaceRecord) -> bool:
    return not is_near_metal(record.labels)


def _point(
    model: TrainedModel, arm: Arm, count: int, n_slabs: int, seed: int, test: list[SurfaceRecord]
) -> TransferPoint:
    predictions = model.predict([record.structure for record in test])
    weights, errors = {}, {}
    for name in model.properties:
        labels = [record.label(name) for record in test]
        size: NDArray[np.float64] = np.array(
            [
                0.0 if label is None else abs(prediction.values[name] - label.value)
                for prediction, label in zip(predictions, labels, strict=True)
            ]
        )
        weights[name] = [0.0 if label is None else label.weight for label in labels]
        errors[name] = size.tolist()
    formulas = [record.formula for record in test]
    return TransferPoint(arm, count, n_slabs, seed, formulas, weights, errors)
