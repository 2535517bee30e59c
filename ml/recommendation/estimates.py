"""Levels of compositions of which no crystal is known: a Gaussian process on the formula alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pymatgen.core import Composition

from surfalign.ml.data.datasets import FrozenDataset
from surfalign.ml.learners.gaussian_process import GaussianProcess, GaussianProcessConfiguration
from surfalign.ml.learners.process_inputs import Inputs


@dataclass(frozen=True)
class CompositionEstimate:
    """What is expected of the surfaces of a composition.

    Attributes
    ----------
    levels
        IP and EA by name, eV.
    deviations
        Standard deviation of each, eV: of one surface, where the data hold single surfaces.
    unknown_elements
        Elements that no labelled surface holds: the estimate is a guess.
    """

    levels: dict[str, float]
    deviations: dict[str, float]
    unknown_elements: tuple[str, ...]


def estimate_levels(
    formulas: Sequence[str],
    dataset: FrozenDataset,
    seed: int = 0,
    on_progress: Callable[[str], None] = lambda line: None,
) -> list[CompositionEstimate]:
    """Fit the process to a data set and ask it for formulas.

    Raises
    ------
    EmptyDatasetError
        When IP or EA has no label in the data set.
    """
    process = GaussianProcess.fit(
        dataset.records,
        GaussianProcessConfiguration(inputs=Inputs.COMPOSITION),
        dataset.set_labels,
        seed,
        on_progress,
    )
    compositions = [Composition(formula) for formula in formulas]
    return [
        CompositionEstimate(
            dict(told.values),
            dict(told.spread or {}),
            tuple(sorted({e.symbol for e in composition.elements} - process.elements)),
        )
        for composition, told in zip(compositions, process.predict(compositions), strict=True)
    ]
