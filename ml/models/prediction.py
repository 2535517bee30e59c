"""Levels of surfaces in seconds: what a model of the registry says of a crystal's surfaces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

from surfalign.crystals.sources import load_crystal
from surfalign.listing import Listing, fixed
from surfalign.ml.data.from_crystal import crystal_surfaces
from surfalign.ml.data.packed_structures import StructuresOf
from surfalign.ml.data.records import SurfaceRecord
from surfalign.ml.ensemble.ensemble import LEVELS, Ensemble, SurfaceEstimate
from surfalign.ml.ensemble.level_distribution import level_distribution
from surfalign.ml.models.model_registry import ModelRegistry
from surfalign.ml.models.shipped_model import own_or_shipped
from surfalign.physics.lattice.orientations import MillerIndex, as_miller_indices

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from surfalign.crystals.crystal import Crystal
    from surfalign.physics.levels.distribution import LevelDistribution


@dataclass(frozen=True, eq=False)
class PredictedSurface:
    """What a model says of one surface.

    Attributes
    ----------
    record
        The unrelaxed slab.
    estimate
        The predicted values with their intervals.
    model
        Name and version of the model.
    """

    record: SurfaceRecord
    estimate: SurfaceEstimate
    model: str

    @property
    def name(self) -> str:
        """Name of the surface, e.g. ``MgO(100)-A``."""
        return self.record.name

    @property
    def ionization_potential(self) -> float | None:
        """IP of the relaxed surface, eV; None where the model does not predict it."""
        return self.estimate.values.get("ionization_potential")

    @property
    def electron_affinity(self) -> float | None:
        """EA of the relaxed surface, eV; None where the model does not predict it."""
        return self.estimate.values.get("electron_affinity")

    def interval_90(self, name: str) -> tuple[float, float]:
        """Return the bounds that hold nine of ten surfaces, eV; infinite where too few data are known."""
        return self.estimate.interval_90.get(name, (-math.inf, math.inf))

    def as_dict(self) -> dict[str, Any]:
        """Return the prediction as plain JSON values; levels in eV, an unknown bound is null."""
        values = self.estimate.values
        return {
            "name": self.name,
            **{name: value for name, value in values.items() if name in LEVELS},
            "interval_90": {
                name: [bound if math.isfinite(bound) else None for bound in bounds]
                for name, bounds in self.estimate.interval_90.items()
                if name in LEVELS
            },
            "in_domain": self.estimate.in_domain,
            "domain_score": self.estimate.domain_score,
            "unknown_elements": list(self.estimate.unknown_elements),
            "other": {name: value for name, value in values.items() if name not in LEVELS},
            "miller_index": self.record.miller_index,
            "model": self.model,
        }

    def __repr__(self) -> str:
        levels = f"IP {fixed(self.ionization_potential)} eV, EA {fixed(self.electron_affinity)} eV"
        return f"PredictedSurface({self.name!r}, {levels}, domain: {_domain(self.estimate)})"


class Predictions(Listing[PredictedSurface]):
    """A list of predictions that shows itself as a table."""

    columns = ("Surface", "IP (eV)", "90 %", "EA (eV)", "90 %", "Domain")

    def row(self, item: PredictedSurface) -> list[str]:
        """Return name, levels with their intervals, and the flag of the domain."""
        cells = [item.name]
        for name in LEVELS:
            low, high = item.interval_90(name)
            cells.append(fixed(item.estimate.values.get(name)))
            known = math.isfinite(low)
            cells.append(f"{low:.2f} to {high:.2f}" if known else "too few data")
        return [*cells, _domain(item.estimate)]


def predict(
    crystal: str | PathLike[str] | Structure | Crystal,
    *,
    miller_index: MillerIndex | Sequence[MillerIndex] | None = None,
    max_index: int = 1,
    model: str | None = None,
    version: str | None = None,
    registry: ModelRegistry | None = None,
) -> Predictions:
    """Predict IP and EA of the relaxed surfaces of a crystal.

    Parameters
    ----------
    crystal
        What :func:`~surfalign.crystals.sources.load_crystal` takes, e.g. ``"MgO"``.
    miller_index
        One orientation in the conventional cell, or several; by default all up to ``max_index``.
    max_index
        Largest Miller index.
    model
        Name of the model; by default the one promoted last.
    version
        Its version; by default the champion.
    registry
        Where the models are; by default in the data directory. Where there is none, the model that comes with
        surfalign predicts.

    Raises
    ------
    UnknownMaterialError, InvalidStructureError
        When the crystal cannot be loaded.
    SurfaceError
        When it has no nonpolar surface, or a wanted orientation has none.
    ModelNotFoundError
        When there is no such model or version.
    """
    records = crystal_surfaces(load_crystal(crystal), as_miller_indices(miller_index), max_index)
    if registry is None:
        registry, model = own_or_shipped(model)
    return predict_records(records, registry, model, version)


def predict_records(
    records: Sequence[SurfaceRecord],
    registry: ModelRegistry,
    model: str | None = None,
    version: str | None = None,
) -> Predictions:
    """Predict IP and EA of given slabs; parameters and errors as for :func:`predict`."""
    ensemble, card = registry.load(model or registry.latest(), version)
    return _predictions(ensemble, f"{card.name} {card.version}", records)


def predict_distributions(
    records: Sequence[SurfaceRecord],
    registry: ModelRegistry,
    model: str | None = None,
    version: str | None = None,
) -> tuple[Predictions, LevelDistribution]:
    """Predict as :func:`predict_records`, and return the joint distributions of IP and EA as well.

    Raises
    ------
    UncalibratedModelError
        When the model has no finite intervals of both levels.
    """
    ensemble, card = registry.load(model or registry.latest(), version)
    predictions = _predictions(ensemble, f"{card.name} {card.version}", records)
    return predictions, level_distribution(ensemble, [p.estimate for p in predictions])


def _predictions(ensemble: Ensemble, source: str, records: Sequence[SurfaceRecord]) -> Predictions:
    estimates = ensemble.predict(StructuresOf(records))
    return Predictions(
        PredictedSurface(record, estimate, source)
        for record, estimate in zip(records, estimates, strict=True)
    )


def _domain(estimate: SurfaceEstimate) -> str:
    if estimate.unknown_elements:
        return f"outside: {', '.join(estimate.unknown_elements)}"
    return "inside" if estimate.in_domain else "outside"
