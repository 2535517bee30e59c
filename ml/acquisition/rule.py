"""A screening rule: windows of levels that a surface shall lie in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from surfalign.ml.acquisition.distributions import Distribution

Window = tuple[float | None, float | None]


class Rule(BaseModel):
    """Windows of IP and EA; a surface meets the rule where it is inside of all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ionization_potential: Window | None = Field(
        default=None, description="Least and largest IP (eV); null where there is no bound"
    )
    electron_affinity: Window | None = Field(
        default=None, description="Least and largest EA (eV); null where there is no bound"
    )

    @model_validator(mode="after")
    def _is_a_rule(self) -> Self:
        if not self.windows:
            raise ValueError("a window of ionization_potential or electron_affinity is needed")
        for name, (low, high) in self.windows.items():
            if not low < high:
                raise ValueError(f"{name}: the window from {low:g} to {high:g} eV holds nothing")
        return self

    @property
    def windows(self) -> dict[str, tuple[float, float]]:
        """Property to its bounds, eV; infinite where there is none."""
        given: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields}
        return {
            name: (
                -math.inf if window[0] is None else window[0],
                math.inf if window[1] is None else window[1],
            )
            for name, window in given.items()
            if window is not None and tuple(window) != (None, None)
        }

    def probability(self, distributions: Mapping[str, Distribution]) -> NDArray[np.float64]:
        """Return the probability that each surface meets the rule, shape (n,).

        The levels count as independent, which IP and EA of one surface are not: for two windows it
        serves to rank.
        """
        chances = [
            distributions[name].probability(low, high) for name, (low, high) in self.windows.items()
        ]
        return np.asarray(np.prod(chances, axis=0))

    def margin(self, values: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return how far inside of the rule some levels are (eV), shape (n,); negative outside."""
        parts = []
        for name, (low, high) in self.windows.items():
            parts.append(np.minimum(values[name] - low, high - values[name]))
        return np.asarray(np.min(parts, axis=0))
