"""Levels of surfaces in seconds: what a model of the registry says of a crystal's surfaces, or of the crystal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

from surfalign.crystals.sources import load_crystal
from surfalign.errors import MixedLevelsError
from surfalign.listing import Listing, fixed
from surfalign.ml.data.from_crystal import structures_of
from surfalign.ml.data.packed_structures import StructuresOf
from surfalign.ml.data.records import SurfaceRecord
from surfalign.ml.ensemble.ensemble import Ensemble, SurfaceEstimate
from surfalign.ml.ensemble.level_distribution import level_distribution
from surfalign.ml.models.model_registry import ModelRegistry
from surfalign.ml.models.shipped_model import own_or_shipped
from surfalign.ml.properties.property import KNOWN, LEVELS, SHORT, Level, Property
from surfalign.physics.lattice.orientations import MillerIndex, as_miller_indices

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from surfalign.crystals.crystal import Crystal
    from surfalign.physics.levels.distribution import LevelDistribution

#: What the first column of predictions of a level is called.
_HEADINGS = {Level.SLAB: "Surface", Level.CRYSTAL: "Crystal", Level.ATOM: "Atom"}


@dataclass(frozen=True, eq=False)
class PredictedSurface:
    """What a model says of one surface, or of one crystal.

    Attributes
    ----------
    record
        The unrelaxed slab, or the crystal.
    estimate
        The predicted values with their intervals.
    model
        Name and version of the model.
    properties
        What the model predicts; those that are shown come first.
    """

    record: SurfaceRecord
    estimate: SurfaceEstimate
    model: str
    properties: tuple[Property, ...] = tuple(KNOWN[name] for name in LEVELS)

    @property
    def shown(self) -> tuple[Property, ...]:
        """IP and EA where the model predicts one of them, else all properties."""
        return shown_of(self.properties)

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
        """Return the bounds that hold nine of ten labels; infinite where too few data are known."""
        return self.estimate.interval_90.get(name, (-math.inf, math.inf))

    def as_dict(self) -> dict[str, Any]:
        """Return the prediction as plain JSON values, in ``units``; an unknown bound is null."""
        values = self.estimate.values
        shown = {one.name for one in self.shown}
        return {
            "name": self.name,
            **{name: value for name, value in values.items() if name in shown},
            "interval_90": {
                name: [bound if math.isfinite(bound) else None for bound in bounds]
                for name, bounds in self.estimate.interval_90.items()
                if name in shown
            },
            "units": {one.name: one.unit for one in self.properties if one.name in values},
            "in_domain": self.estimate.in_domain,
            "domain_score": self.estimate.domain_score,
            "unknown_elements": list(self.estimate.unknown_elements),
            "other": {name: value for name, value in values.items() if name not in shown},
            "miller_index": self.record.miller_index,
            "model": self.model,
        }

    def __repr__(self) -> str:
        values = ", ".join(
            f"{SHORT.get(one.name, one.title)} {fixed(self.estimate.values.get(one.name))} {one.unit}"
            for one in self.shown
        )
        return f"PredictedSurface({self.name!r}, {values}, domain: {_domain(self.estimate)})"


def shown_of(properties: Sequence[Property]) -> tuple[Property, ...]:
    """Return the properties that are shown: IP and EA where one of them is predicted, else all."""
    return tuple(one for one in properties if one.name in LEVELS) or tuple(properties)


class Predictions(Listing[PredictedSurface]):
    """A list of predictions that shows itself as a table."""

    columns = ("Surface", "IP (eV)", "90 %", "EA (eV)", "90 %", "Domain")

    def headings(self) -> tuple[str, ...]:
        """Return the name of what is predicted, the properties with their units, and the flag."""
        if not self or any(one.name in LEVELS for one in self[0].properties):
            return self.columns
        cells = [cell for one in self[0].shown for cell in (one.quantity, "90 %")]
        return (_HEADINGS[self[0].record.level], *cells, "Domain")

    def row(self, item: PredictedSurface) -> list[str]:
        """Return name, properties with their intervals, and the flag of the domain."""
        cells = [item.name]
        named = [one.name for one in item.shown]
        for name in LEVELS if set(named) & set(LEVELS) else named:
            low, high = item.interval_90(name)
            cells.append(fixed(item.estimate.values.get(name)))
            known = math.isfinite(low) or math.isfinite(high)
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
    """Predict IP and EA of the relaxed surfaces of a crystal, or what else a model has learned.

    A model of crystals predicts the crystal itself, one of atoms each of its atoms; then there are no orientations.

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
    MixedLevelsError
        When orientations are named for a model of crystals.
    ModelNotFoundError
        When there is no such model or version.
    """
    if registry is None:
        registry, model = own_or_shipped(model)
    level = registry.card(model or registry.latest(), version).level
    indices = as_miller_indices(miller_index)
    records = structures_of(load_crystal(crystal), level, indices, max_index)
    return predict_records(records, registry, model, version)


def predict_records(
    records: Sequence[SurfaceRecord],
    registry: ModelRegistry,
    model: str | None = None,
    version: str | None = None,
) -> Predictions:
    """Predict given slabs, or crystals; parameters and errors as for :func:`predict`.

    Raises
    ------
    MixedLevelsError
        When the model has learned from structures of another level.
    """
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
    wrong = next((record for record in records if record.level is not ensemble.level), None)
    if wrong is not None:
        raise MixedLevelsError(
            f"{wrong.name} is a {wrong.level}, and {source} predicts {ensemble.level}s",
            f"structures of {ensemble.level}s",
            "name another model: --model NAME",
        )
    estimates = ensemble.predict(StructuresOf(records))
    names = estimates[0].values if estimates else ()
    properties = tuple(ensemble.property_of(name) for name in names)
    return Predictions(
        PredictedSurface(record, estimate, source, properties)
        for record, estimate in zip(records, estimates, strict=True)
    )


def _domain(estimate: SurfaceEstimate) -> str:
    if estimate.unknown_elements:
        return f"outside: {', '.join(estimate.unknown_elements)}"
    return "inside" if estimate.in_domain else "outside"
