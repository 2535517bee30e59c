"""An ensemble of fold members: predictions with intervals and a domain flag.

Member k never sees the formulas of fold k (see :func:`~.splits.formula_fold`). The mean of the members
predicts; the member that is blind for a formula gives the out-of-fold predictions that calibrate the
intervals and that compare one model with another on data neither has seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from surfalign.errors import ModelVersionError, UnknownElementError
from surfalign.ml.data.datasets import element_symbol
from surfalign.ml.ensemble.calibration import Calibration
from surfalign.ml.ensemble.difficulty import difficulty_features, spread_of
from surfalign.ml.ensemble.domain import Domain, level_descriptions
from surfalign.ml.ensemble.splits import formula_fold
from surfalign.ml.interface import (
    FittedModel,
    KnowsItsInputs,
    SurfacePrediction,
    ordered_levels,
)
from surfalign.ml.learners.kinds import restore_model
from surfalign.ml.properties.property import KNOWN, Level, Property

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from surfalign.ml.data.records import SurfaceRecord

#: Share of the out-of-fold scores inside of the domain.
DOMAIN_SHARE = 0.9
#: Slabs that are predicted at a time: what members say of atoms takes 30 kB a slab of 60 atoms, and is not kept.
SLABS_AT_ONCE = 256


@dataclass(frozen=True)
class SurfaceEstimate:
    """What an ensemble says of one surface, or of one crystal.

    Attributes
    ----------
    values
        Property to value, in the property's unit.
    interval_90
        Property to the interval that covers nine of ten labels; infinite where too few data are known.
    in_domain
        Whether the surface is like those of the training set.
    domain_score
        Distance to the training set; see :mod:`~.domain`.
    difficulty
        What the widths of the intervals depend on; see :data:`~.difficulty.FEATURES`.
    unknown_elements
        Elements that the training set lacks.
    attention
        Property to the weight of each atom, shape (n_sites,); empty for models without.
    """

    values: dict[str, float]
    interval_90: dict[str, tuple[float, float]]
    in_domain: bool
    domain_score: float
    difficulty: tuple[float, ...] = ()
    unknown_elements: tuple[str, ...] = ()
    attention: dict[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True)
class Ensemble:
    """Fitted members with what they need to be honest.

    Attributes
    ----------
    kind
        Kind of the members.
    members
        One for each fold.
    blind_folds
        Folds that their member never saw; the others had to be learned from for want of data.
    fidelity
        Key of the fidelity that is predicted.
    domain
        Of the whole training set.
    calibrations
        Property to its calibration; labels of sets have their own, such as ``median of ...``.
    notes
        What is unusual about a calibration, by its name.
    correlation
        Of the out-of-fold errors of IP and EA; None where too few surfaces have both, and in models from before
        it was kept.
    properties
        Those that somebody declared, or that surfalign does not know, by name.
    scales
        Standard deviations of their training labels, on the scales on which they are learned.
    """

    kind: str
    members: tuple[FittedModel, ...]
    blind_folds: frozenset[int]
    fidelity: str
    domain: Domain
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    correlation: float | None = None
    properties: Mapping[str, Property] = field(default_factory=dict)
    scales: Mapping[str, float] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        """Whether slabs, crystals or atoms are predicted."""
        return next((one.level for one in self.properties.values()), Level.SLAB)

    def property_of(self, name: str) -> Property:
        """Return what a predicted property is."""
        return self.properties.get(name) or KNOWN.get(name) or Property(name=name, unit="1")

    @property
    def elements(self) -> frozenset[str]:
        """Elements of the training set."""
        return self.domain.elements

    def predict(self, structures: Sequence[Structure]) -> list[SurfaceEstimate]:
        """Predict for unrelaxed slabs.

        Raises
        ------
        UnknownElementError
            When a site holds no single chemical element, or the model can make nothing of one.
        """
        estimates: list[SurfaceEstimate] = []
        for start in range(0, len(structures), SLABS_AT_ONCE):
            estimates += self._predict_some(list(structures[start : start + SLABS_AT_ONCE]))
        return estimates

    def _predict_some(self, structures: Sequence[Structure]) -> list[SurfaceEstimate]:
        """Predict for a few slabs, all members' predictions in memory."""
        systems = [{element_symbol(site) for site in structure} for structure in structures]
        predictions = [member.predict(structures) for member in self.members]
        scores = self.domain.scores([level_descriptions(s, self.level) for s in structures])
        inside = self.domain.contains(structures, scores)
        columns = ordered_levels(
            {
                name: np.array([[p.values[name] for p in row] for row in predictions]).mean(axis=0)
                for name in predictions[0][0].values
            }
        )
        spread = np.mean([spread_of(row, self.scales) for row in predictions], axis=0)
        features = difficulty_features(columns, scores, spread, self.scales)
        intervals = {
            name: self.property_of(name).told(self.calibrations[name].interval(column, features))
            for name, column in columns.items()
            if name in self.calibrations
        }
        columns = self._told(columns)
        return [
            SurfaceEstimate(
                values={name: float(column[i]) for name, column in columns.items()},
                interval_90={
                    name: (float(bounds[i, 0]), float(bounds[i, 1]))
                    for name, bounds in intervals.items()
                },
                in_domain=bool(inside[i]),
                domain_score=float(scores[i]),
                difficulty=tuple(float(number) for number in features[i]),
                unknown_elements=tuple(sorted(systems[i] - self.elements)),
                attention={
                    name: np.mean([row[i].attention[name] for row in predictions], axis=0)
                    for name in predictions[0][i].attention
                },
            )
            for i in range(len(structures))
        ]

    def input_effects(self, structures: Sequence[Structure]) -> list[dict[str, dict[str, float]]]:
        """Return what each named input does to the predictions, the mean over the members.

        One entry for each slab: property to input to its effect; see
        :meth:`~surfalign.ml.interface.KnowsItsInputs.input_effects`. Empty for models without named inputs. The
        effects on a property that is learned on another scale are brought to its unit.
        """
        members = [m for m in self.members if isinstance(m, KnowsItsInputs)]
        if not members or len(members) < len(self.members):
            return [{} for _ in structures]
        told = [member.input_effects(structures) for member in members]
        means = [
            {
                name: {one: float(np.mean([o[name][one] for o in own])) for one in effects}
                for name, effects in own[0].items()
            }
            for own in zip(*told, strict=True)
        ]
        if any(one.is_transformed for one in self.properties.values()):
            for estimate, own in zip(self.predict(structures), means, strict=True):
                for name, effects in own.items():
                    own[name] = self._effects_told(name, estimate.values[name], effects)
        return means

    def _effects_told(
        self, name: str, value: float, effects: Mapping[str, float]
    ) -> dict[str, float]:
        """Return effects on a prediction in the unit of its property."""
        scale = self.property_of(name)
        learned = float(scale.learned(np.array(value)))
        return {
            one: value - float(scale.told(np.array(learned - effect)))
            for one, effect in effects.items()
        }

    def predict_blind(self, records: Sequence[SurfaceRecord]) -> dict[str, NDArray[np.float64]]:
        """Predict each record by the member that never saw its formula, shape (n_records,) each.

        NaN where there is no such member, or where it cannot handle an element.
        """
        return self._told(self.learned_blind(records)[0])

    def _told(self, columns: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
        """Return predictions in the units of their properties."""
        return {name: self.property_of(name).told(column) for name, column in columns.items()}

    def learned_blind(
        self, records: Sequence[SurfaceRecord]
    ) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
        """Predict as :meth:`predict_blind`, on the scales on which the properties are learned.

        What the members say of their errors is returned beside it, shape (n_records,).
        """
        found: dict[str, NDArray[np.float64]] = {}
        spread = np.zeros(len(records))
        for fold, member in enumerate(self.members):
            chosen = [i for i, r in enumerate(records) if formula_fold(r.formula) == fold]
            if fold not in self.blind_folds or not chosen:
                continue
            for start in range(0, len(chosen), SLABS_AT_ONCE):
                some = chosen[start : start + SLABS_AT_ONCE]
                predictions = _predict_known(member, records, some)
                spread[some] = spread_of(predictions, self.scales)
                for index, prediction in zip(some, predictions, strict=True):
                    for name, value in prediction.values.items():
                        column = found.setdefault(name, np.full(len(records), np.nan))
                        column[index] = value
        return ordered_levels(found), spread

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return all arrays of all parts."""
        arrays: dict[str, NDArray[Any]] = dict(self.domain.tensors())
        for name, calibration in self.calibrations.items():
            arrays |= calibration.tensors(name)
        for number, member in enumerate(self.members):
            for name, tensor in member.tensors().items():
                arrays[f"member{number}.{name}"] = np.ascontiguousarray(np.asarray(tensor))
        return arrays

    def metadata(self) -> dict[str, Any]:
        """Return what else is to be stored, as plain JSON."""
        return {
            "kind": self.kind,
            "blind_folds": sorted(self.blind_folds),
            "fidelity": self.fidelity,
            "domain": self.domain.metadata(),
            "calibrated": list(self.calibrations),
            "notes": dict(self.notes),
            "correlation": self.correlation,
            "properties": [one.as_dict() for one in self.properties.values()],
            "scales": dict(self.scales),
            "members": [
                {
                    "configuration": member.configuration.model_dump(mode="json"),
                    "metadata": member.metadata,
                }
                for member in self.members
            ],
        }

    @classmethod
    def restore(cls, metadata: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild what :meth:`tensors` and :meth:`metadata` gave.

        Raises
        ------
        ModelVersionError
            When the parts do not fit this version of the code.
        """
        try:
            kind = str(metadata["kind"])
            members = [
                restore_model(
                    kind, part["configuration"], part["metadata"], _own(f"member{k}.", tensors)
                )
                for k, part in enumerate(metadata["members"])
            ]
            return cls(
                kind=kind,
                members=tuple(members),
                blind_folds=frozenset(metadata["blind_folds"]),
                fidelity=metadata["fidelity"],
                domain=Domain.restore(metadata["domain"], tensors),
                calibrations={
                    name: Calibration.restore(name, tensors) for name in metadata["calibrated"]
                },
                notes=metadata.get("notes", {}),
                correlation=metadata.get("correlation"),
                properties={
                    plain["name"]: Property.from_dict(plain)
                    for plain in metadata.get("properties", ())
                },
                scales=metadata.get("scales", {}),
            )
        except ModelVersionError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise ModelVersionError(
                f"a stored model does not fit this version: {type(error).__name__}: {error}",
                "what this version writes",
                "train it again, or use the version of surfalign that its card names",
            ) from error


def _own(prefix: str, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {k.removeprefix(prefix): array for k, array in tensors.items() if k.startswith(prefix)}


def _predict_known(
    member: FittedModel, records: Sequence[SurfaceRecord], chosen: Sequence[int]
) -> list[SurfacePrediction]:
    """Predict some records; nothing for those whose elements the member cannot handle."""
    try:
        return member.predict([records[index].structure for index in chosen])
    except UnknownElementError:
        if len(chosen) == 1:
            return [SurfacePrediction({})]
        return [p for index in chosen for p in _predict_known(member, records, [index])]
