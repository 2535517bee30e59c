"""Recommended compositions, and what a recommendation is worth: hidden oxides found again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surfalign.errors import EmptyDatasetError
from surfalign.ml.recommendation.completion import (
    Array,
    CompositionTensor,
    Rank,
    completed,
    popularity,
)
from surfalign.ml.recommendation.compositions import TernaryOxide

#: Ranks that are tried on hidden oxides of the list.
RANKS: tuple[Rank, ...] = ((4, 4, 8), (8, 8, 16), (12, 12, 25), (20, 20, 40), (30, 30, 60))
HIDDEN = 0.2
#: Fewer listed oxides cannot be hidden in part and completed from the rest.
FEWEST_OXIDES = 25
#: Lengths of the list for which findings are counted.
LENGTHS = (100, 300, 1000, 3000)


@dataclass(frozen=True)
class Recommendation:
    """An oxide that is not listed.

    Attributes
    ----------
    oxide
        What it is.
    score
        Value of the completed tensor; listed oxides have about 1, most others about 0.
    """

    oxide: TernaryOxide
    score: float


@dataclass(frozen=True)
class Enrichment:
    """How many hidden oxides stand among the first of a list.

    Attributes
    ----------
    length
        How long the list is.
    found, by_popularity, by_chance
        Hidden oxides in it: as recommended, ordered by popularity, and expected in any order.
    """

    length: int
    found: float
    by_popularity: float
    by_chance: float

    @property
    def over_chance(self) -> float:
        """How many times more are found than by chance."""
        return self.found / self.by_chance if self.by_chance else float("nan")

    @property
    def over_popularity(self) -> float:
        """How many times more are found than by popularity."""
        return self.found / self.by_popularity if self.by_popularity else float("inf")


@dataclass(frozen=True)
class Validation:
    """What hiding a fifth of the list shows; means over the splits.

    Attributes
    ----------
    n_hidden, n_findable
        Hidden oxides; those among the candidates (their stoichiometry is still listed, and known
        oxidation states make them neutral).
    n_candidates
        Compositions that were ranked.
    enrichment
        For lists of several lengths.
    seeds
        Of the splits.
    """

    n_hidden: float
    n_findable: float
    n_candidates: float
    enrichment: tuple[Enrichment, ...]
    seeds: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        plain = asdict(self)
        for row, own in zip(plain["enrichment"], self.enrichment, strict=True):
            row |= {"over_chance": own.over_chance, "over_popularity": own.over_popularity}
        return plain


def recommend(oxides: Sequence[TernaryOxide], rank: Rank | None = None) -> list[Recommendation]:
    """Rank all neutral compositions of the listed cations and stoichiometries that are not listed.

    Parameters
    ----------
    oxides
        What is listed.
    rank
        Components of the decomposition; by default what finds most of the oxides of the list that are
        hidden for that.

    Raises
    ------
    EmptyDatasetError
        When too few are listed.
    MissingDependencyError
        When tensorly is not installed.
    """
    _require_enough(oxides)
    tensor = CompositionTensor.of(oxides)
    scores = tensor.scores(completed(tensor, rank or best_rank(oxides)))
    order = np.argsort(-scores, kind="stable")
    return [Recommendation(tensor.oxide(tensor.candidates[i]), float(scores[i])) for i in order]


def best_rank(oxides: Sequence[TernaryOxide], seed: int = 0) -> Rank:
    """Return the rank that finds most of the oxides hidden from it, in a list five times as long."""
    listed, hidden = _hide(oxides, seed)
    tensor = CompositionTensor.of(listed)
    is_hidden = _marks(tensor, hidden)
    found = []
    for rank in RANKS:
        scores = tensor.scores(completed(tensor, rank))
        found.append(_found(scores, is_hidden, 5 * len(hidden)))
    return RANKS[int(np.argmax(found))]


def validate(
    oxides: Sequence[TernaryOxide],
    seeds: Sequence[int] = (1, 2, 3, 4, 5),
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Validation:
    """Hide a fifth of the oxides, recommend from the rest, and count those found again.

    The rank is chosen anew in each split, by hiding a part of what the split has left.

    Raises
    ------
    EmptyDatasetError
        When too few are listed.
    """
    _require_enough(oxides)
    rows = []
    for done, seed in enumerate(seeds):
        rows.append(_one_split(oxides, seed))
        on_progress(done + 1, len(seeds))
    means = np.mean(rows, axis=0)
    counts = means[3:].reshape(len(LENGTHS), 3)
    return Validation(
        float(means[0]),
        float(means[1]),
        float(means[2]),
        tuple(
            Enrichment(length, float(row[0]), float(row[1]), float(row[2]))
            for length, row in zip(LENGTHS, counts, strict=True)
            if length <= means[2]
        ),
        tuple(seeds),
    )


def _one_split(oxides: Sequence[TernaryOxide], seed: int) -> list[float]:
    """Return numbers hidden, findable and ranked, then found, by popularity, by chance for each length."""
    listed, hidden = _hide(oxides, seed)
    tensor = CompositionTensor.of(listed)
    is_hidden = _marks(tensor, hidden)
    rank = best_rank(listed, seed)
    ranked = tensor.scores(completed(tensor, rank))
    baseline = tensor.scores(popularity(tensor))
    share = is_hidden.mean() if len(is_hidden) else 0.0
    numbers = [float(len(hidden)), float(is_hidden.sum()), float(len(is_hidden))]
    for length in LENGTHS:
        numbers += [
            _found(ranked, is_hidden, length),
            _found(baseline, is_hidden, length),
            share * min(length, len(is_hidden)),
        ]
    return numbers


def _hide(
    oxides: Sequence[TernaryOxide], seed: int
) -> tuple[list[TernaryOxide], frozenset[TernaryOxide]]:
    order = np.random.default_rng(seed).permutation(len(oxides))
    n_hidden = max(1, round(HIDDEN * len(oxides)))
    return [oxides[i] for i in order[n_hidden:]], frozenset(oxides[i] for i in order[:n_hidden])


def _marks(tensor: CompositionTensor, hidden: frozenset[TernaryOxide]) -> NDArray[np.bool_]:
    return np.array([tensor.oxide(place) in hidden for place in tensor.candidates], dtype=bool)


def _found(scores: Array, is_hidden: NDArray[np.bool_], length: int) -> float:
    return float(is_hidden[np.argsort(-scores, kind="stable")[:length]].sum())


def _require_enough(oxides: Sequence[TernaryOxide]) -> None:
    if len(oxides) < FEWEST_OXIDES:
        raise EmptyDatasetError(
            f"{len(oxides)} oxides of two cations",
            f"at least {FEWEST_OXIDES}, to see what is like what",
            "give a longer list",
        )
