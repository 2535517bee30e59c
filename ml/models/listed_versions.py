"""All versions of some models with their cards: one that is damaged hides no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from surfalign.errors import SurfalignError
from surfalign.ml.models.model_registry import Champion, ModelCard, ModelRegistry


@dataclass(frozen=True)
class ListedVersion:
    """A version of a model, or what is wrong with it.

    Attributes
    ----------
    name, version
        Which; without a version where a file of the whole model is damaged.
    champion
        Whether it predicts.
    card
        None where it cannot be read.
    problem
        Why it cannot be read; None where it can.
    """

    name: str
    version: str
    champion: bool = False
    card: ModelCard | None = None
    problem: SurfalignError | None = None


def listed_versions(
    registry: ModelRegistry, names: Sequence[str] | None = None
) -> Iterator[ListedVersion]:
    """Yield the versions of some models, by default of all, the oldest of each first."""
    for name in registry.names() if names is None else names:
        champion: Champion | None = None
        try:
            champion = registry.champion(name)
        except SurfalignError as error:
            yield ListedVersion(name, "", problem=error)
        for version in registry.versions(name):
            predicts = champion is not None and champion.version == version
            try:
                card = registry.card(name, version)
            except SurfalignError as error:
                yield ListedVersion(name, version, predicts, problem=error)
            else:
                yield ListedVersion(name, version, predicts, card)
