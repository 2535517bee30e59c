"""How good a label is: what its own evidence says of its error, and what cannot be a label at all.

An error of a level becomes a weight in the loss, in the metrics and in the calibration of intervals alike. A
number that no surface can have is refused by a rule with a name. Both are counted on the data set's card.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from surfalign.ml.data.records import Label, SetLabel, SurfaceRecord

if TYPE_CHECKING:
    from pymatgen.core import Structure

#: Error at which a label counts half, eV: what formula medians leave open, and a third to a half of what
#: the learner itself gets wrong.
HALF_WEIGHT_ERROR = 0.3
#: Error of a level that is worth a line on the card, eV: the weight is 0.9 then.
NOTED_ERROR = 0.1
#: Gap below which IP and EA are those of a metal, eV, and the weight of such labels.
METALLIC_GAP = 0.3
METALLIC_WEIGHT = 0.3
#: Properties whose error is that of the vacuum level.
LEVELS = ("ionization_potential", "electron_affinity", "work_function")

NEAR_METAL = f"near-metal: gap below {METALLIC_GAP} eV"
VACUUM_FIELD = "field in the vacuum"


@dataclass(frozen=True)
class Rule:
    """What a property can be.

    Attributes
    ----------
    name
        Property.
    low, high
        Bounds, both allowed, in the property's unit (see ``LABEL_UNITS``).
    """

    name: str
    low: float
    high: float

    @property
    def title(self) -> str:
        """Name of the rule on a card."""
        return f"{self.name} not within {self.low:g} to {self.high:g}"


#: The widest values known: IP and gap of solid neon are 21 eV, the EA of LiF is about -3 eV, and the
#: unrelaxed faces of diamond have surface energies of 6 to 9 J/m^2; below zero a crystal would fall apart.
RULES = (
    Rule("ionization_potential", 0.0, 22.0),
    Rule("electron_affinity", -5.0, 15.0),
    Rule("work_function", 0.0, 15.0),
    Rule("band_gap", 0.0, 22.0),
    Rule("surface_energy", 0.0, 10.0),
)
INVERTED = "electron_affinity above ionization_potential"
#: Overlap of the bands of a semimetal that is still believed, eV.
LARGEST_OVERLAP = 0.05


def weight_of(error: float) -> float:
    """Return the weight of a label whose error (eV) is known: 1 without error, a half at 0.3 eV."""
    return 1.0 / (1.0 + (error / HALF_WEIGHT_ERROR) ** 2)


def joined(errors: Iterable[float]) -> float:
    """Return the error of independent errors together, eV; what is not finite says nothing."""
    return math.sqrt(sum(error**2 for error in errors if math.isfinite(error)))


def vacuum_field_error(slope: float, structure: Structure) -> float:
    """Return the error of the levels of a slab with a field in its vacuum, eV.

    The field times the height of the cell, for it goes through the slab as well. Twelve surfaces that JARVIS
    computed twice, with and without such a field, differ by 18 to 37 angstrom times the field; their cells
    are about 30 angstrom high.

    Parameters
    ----------
    slope
        Slope of the electron's potential energy in the vacuum, eV/angstrom.
    structure
        The slab; its cell repeats across the vacuum.
    """
    lengths = structure.lattice.abc
    axis = int(np.argmax(lengths))
    matrix = structure.lattice.matrix
    height = structure.volume / np.linalg.norm(np.cross(matrix[axis - 2], matrix[axis - 1]))
    return abs(slope) * float(height)


def is_near_metal(labels: Sequence[Label], fidelity: str | None = None) -> bool:
    """Tell whether the gap among the labels (of a fidelity) is that of a metal; False where there is none."""
    gaps = [l.value for l in labels if l.name == "band_gap" and fidelity in (None, l.fidelity)]
    return bool(gaps) and gaps[0] < METALLIC_GAP


def weighted(
    labels: Sequence[Label], errors: Mapping[str, float], factor: float = 1.0
) -> tuple[tuple[Label, ...], list[str]]:
    """Return labels with the weight that their evidence gives them, and what lowered it.

    Parameters
    ----------
    labels
        Of one surface.
    errors
        Errors of its levels by their reason, eV; independent of each other.
    factor
        For what has no error in eV, such as a failed check.
    """
    judged = []
    metallic = {label.fidelity: is_near_metal(labels, label.fidelity) for label in labels}
    for label in labels:
        weight = label.weight * factor * (METALLIC_WEIGHT if metallic[label.fidelity] else 1.0)
        if label.name in LEVELS:
            weight *= weight_of(joined(errors.values()))
        judged.append(replace(label, weight=weight))
    reasons = [reason for reason, error in errors.items() if error > NOTED_ERROR]
    if labels and metallic[labels[0].fidelity]:
        reasons.append(NEAR_METAL)
    return tuple(judged), reasons


def refuse(
    records: Sequence[SurfaceRecord], set_labels: Sequence[SetLabel]
) -> tuple[list[SurfaceRecord], list[SetLabel], dict[str, list[str]]]:
    """Return the data without labels that cannot be, and these: rule to what it refused.

    A surface stays without the label. Where the EA lies above the IP, nobody can tell which is wrong: both go.
    """
    refused: dict[str, list[str]] = defaultdict(list)
    kept = [_sane(record, refused) for record in records]
    sets = []
    for label in set_labels:
        rule = _broken_rule(label)
        if rule is None:
            sets.append(label)
        else:
            refused[rule.title].append(_described(label.source, label))
    return kept, sets, dict(refused)


def _sane(record: SurfaceRecord, refused: dict[str, list[str]]) -> SurfaceRecord:
    bad = {id(label): rule.title for label in record.labels if (rule := _broken_rule(label))}
    for fidelity in dict.fromkeys(label.fidelity for label in record.labels):
        own = {l.name: l for l in record.labels if l.fidelity == fidelity and id(l) not in bad}
        potential, affinity = own.get("ionization_potential"), own.get("electron_affinity")
        if potential and affinity and affinity.value > potential.value + LARGEST_OVERLAP:
            bad |= {id(potential): INVERTED, id(affinity): INVERTED}
    if not bad:
        return record
    for label in record.labels:
        if id(label) in bad:
            refused[bad[id(label)]].append(_described(record.name, label))
    return replace(record, labels=tuple(l for l in record.labels if id(l) not in bad))


def _broken_rule(label: Label) -> Rule | None:
    return next(
        (r for r in RULES if r.name == label.name and not r.low <= label.value <= r.high), None
    )


def _described(title: str, label: Label) -> str:
    return f"{title}: {label.name} {label.value:g} {label.unit}"
