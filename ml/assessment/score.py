"""Scoring a whole model on labelled surfaces that it never saw: errors, intervals, flag; by element, by anion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pymatgen.core import Composition

from surfalign.errors import LearnerError
from surfalign.ml.assessment.crossvalidation import subset
from surfalign.ml.assessment.held_out import HeldOut, predict_held_out
from surfalign.ml.assessment.metrics import metrics, summarise

if TYPE_CHECKING:
    from surfalign.ml.data.datasets import FrozenDataset
    from surfalign.ml.ensemble.ensemble import Ensemble

#: What is stated of each element and each anion.
SHORT = ("mae", "bias", "coverage")


@dataclass(frozen=True)
class Score:
    """What a model is worth on new data.

    Attributes
    ----------
    found
        Its predictions beside the labels.
    seen
        Formulas of the data that the model had learned from, and that were left out for it.
    knows_its_formulas
        Whether the model says which formulas it learned from; those of 0.2 do not.
    """

    found: list[HeldOut]
    seen: tuple[str, ...]
    knows_its_formulas: bool

    @property
    def summary(self) -> dict[str, dict[str, Any]]:
        """The errors of each property; see :func:`~.metrics.summarise`."""
        return summarise(self.found)

    def by_element(self) -> dict[str, dict[str, Any]]:
        """Return property to element to errors, of surfaces with a gap that hold the element."""
        return self._by(lambda formula: sorted(Composition(formula).as_dict()))

    def by_anion(self) -> dict[str, dict[str, Any]]:
        """Return property to anion to errors; see :func:`anion_of`."""
        return self._by(lambda formula: [anion_of(formula)])

    def as_dict(self) -> dict[str, Any]:
        """Return all but the single predictions as plain JSON."""
        return {
            "summary": self.summary,
            "by_element": self.by_element(),
            "by_anion": self.by_anion(),
            "formulas_left_out_because_learned_from": list(self.seen),
            "model_names_its_formulas": self.knows_its_formulas,
        }

    def _by(self, groups_of: Callable[[str], Sequence[str]]) -> dict[str, dict[str, Any]]:
        groups: dict[str, dict[str, list[HeldOut]]] = {}
        for held in self.found:
            if not held.near_metal and not held.of_set:
                for group in groups_of(held.formula):
                    groups.setdefault(held.name, {}).setdefault(group, []).append(held)
        return {
            name: {group: metrics(own, SHORT) for group, own in sorted(members.items())}
            for name, members in groups.items()
        }


def anion_of(formula: str) -> str:
    """Return the most electronegative element of groups 15 to 17, or of all where there is none of these."""
    elements = Composition(formula).elements
    elements = [e for e in elements if 15 <= (e.group or 0) <= 17] or elements
    # Noble gases have no electronegativity, and lose.
    return str(max(elements, key=lambda e: (e.X if e.X == e.X else 0.0, e.symbol)).symbol)


def score_model(ensemble: Ensemble, learned: Sequence[str], dataset: FrozenDataset) -> Score:
    """Let a whole ensemble predict the labelled surfaces of formulas that it never learned from.

    Parameters
    ----------
    ensemble
        The model.
    learned
        Formulas of its training data; empty where they are not known.
    dataset
        Labelled surfaces.

    Raises
    ------
    LearnerError
        When no formula is new to the model, or no label is of the fidelity that it predicts.
    """
    known = set(learned)
    seen = sorted({record.formula for record in dataset.records} & known)
    new = [i for i, record in enumerate(dataset.records) if record.formula not in known]
    if not new:
        raise LearnerError(
            f"the model has learned from all {len(seen)} formulas of the data",
            "formulas that it has not seen",
            "name other data; learn evaluate asks the members that are blind for a formula",
        )
    if not any(label.fidelity == ensemble.fidelity for label in dataset.labels()):
        raise LearnerError(
            f"the labels are of {', '.join(sorted(dataset.fidelities))}",
            f"some of {ensemble.fidelity}, which the model predicts",
            "name other data, or another model",
        )
    found = predict_held_out(ensemble, subset(dataset, new), "never seen")
    return Score(found, tuple(seen), bool(known))
