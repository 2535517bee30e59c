"""Predicted surfaces to be screened: the cleavage planes of the library, in the process of predictions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from surfalign.stores.screening.candidates import Candidates

if TYPE_CHECKING:
    from surfalign.ml.data.records import SurfaceRecord


@dataclass(frozen=True)
class LibraryQuestion:
    """Which predictions are wanted.

    Parameters
    ----------
    query
        Text of the query language, of what predictions have.
    flagged
        Whether surfaces with elements that the model has never seen are wanted, marked.
    own_models
        Whether one's own models may answer, which know all results; else the one that comes with surfalign.
    """

    query: str
    flagged: bool
    own_models: bool

    def check(self) -> None:
        """Refuse nothing: the library is known."""

    def answered(self) -> Candidates:
        """Return the predicted surfaces; the libraries of the learner are loaded here."""
        from surfalign.ml.models.screening import predicted_candidates
        from surfalign.ml.models.shipped_model import NAME, own_or_shipped, shipped_registry

        registry, model = own_or_shipped(None) if self.own_models else (shipped_registry(), NAME)
        return predicted_candidates(
            _slabs(), registry, model=model, query=self.query, flagged=self.flagged
        )


@cache
def _slabs() -> list[SurfaceRecord]:
    from surfalign.ml.data.from_crystal import library_surfaces

    return library_surfaces()
