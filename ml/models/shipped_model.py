"""The model that comes with surfalign: it predicts where nobody has trained one yet.

It was trained on the open data set of the project and on published medians; ``docs/model.md`` is its card.
``docs/pages/shipped_model.py`` makes it anew.
"""

from __future__ import annotations

from pathlib import Path

from surfalign.ml.models.model_registry import ModelRegistry

NAME = "oxides-v0"
FOLDER = Path(__file__).with_name("shipped")


def shipped_registry() -> ModelRegistry:
    """Return the registry in the package; nothing is ever written to it."""
    return ModelRegistry(FOLDER)


def own_or_shipped(
    name: str | None = None, own: ModelRegistry | None = None
) -> tuple[ModelRegistry, str]:
    """Return which model predicts, and where it is.

    One's own models come first: the named one, or the one promoted last that predicts levels of surfaces. The model
    of the package serves where there is none, and by its name.

    Parameters
    ----------
    name
        Of a model; by default any.
    own
        One's own models; by default those of the data directory.
    """
    own = own or ModelRegistry()
    if name is not None:
        use_shipped = name == NAME and not own.versions(name)
    else:
        champions = [one for one in own.names() if own.champion(one)]
        use_shipped = not any(own.card(one).of_levels for one in champions)
    if use_shipped:
        return shipped_registry(), NAME
    return own, name or own.latest()
