"""Labels as the loss sees them: one number, the slabs it is about, and which head answers for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from surfalign.errors import EmptyDatasetError, LearnerError
from surfalign.ml.configuration import TargetConfiguration
from surfalign.ml.data.records import SetLabel, Statistic, SurfaceRecord, check_units


@dataclass(frozen=True)
class Observation:
    """One label.

    Attributes
    ----------
    members
        Indices of the slabs it is about.
    property_index, fidelity_index
        Head that answers for it.
    value
        In the property's unit.
    weight
        In the loss.
    statistic
        How the label belongs to several members; None for a single slab.
    """

    members: tuple[int, ...]
    property_index: int
    fidelity_index: int
    value: float
    weight: float
    statistic: Statistic | None = None


@dataclass(frozen=True)
class Heads:
    """What the network has to answer for.

    Attributes
    ----------
    properties
        Names, in the configuration's order.
    units
        Unit of each property.
    fidelities
        Keys; the first is that of the predictions.
    """

    properties: tuple[str, ...]
    units: tuple[str, ...]
    fidelities: tuple[str, ...]


def find_heads(
    records: Sequence[SurfaceRecord], set_labels: Sequence[SetLabel], targets: TargetConfiguration
) -> Heads:
    """Find which properties and fidelities the training labels have.

    Raises
    ------
    EmptyDatasetError
        If no property has a label.
    MixedUnitsError
        If one property comes in two units.
    LearnerError
        If the fidelity asked for has no labels.
    """
    labels = [label for record in records for label in record.labels]
    wanted = [label for label in [*labels, *set_labels] if label.name in targets.properties]
    units = check_units(wanted)
    properties = tuple(name for name in targets.properties if name in units)
    if not properties:
        raise EmptyDatasetError(
            f"none of {len(records)} slabs has a label of {', '.join(targets.properties)}",
            "at least one label",
            "check how the data set was frozen",
        )
    counts = Counter(label.fidelity for label in wanted)
    # The most frequent; by name where two are equal, so that the choice never depends on order.
    fidelities = sorted(counts, key=lambda key: (-counts[key], key))
    if targets.fidelity is not None:
        if targets.fidelity not in counts:
            raise LearnerError(
                f"no label has the fidelity {targets.fidelity!r}",
                f"one of {', '.join(fidelities)}",
                "correct targets.fidelity",
            )
        fidelities.remove(targets.fidelity)
        fidelities.insert(0, targets.fidelity)
    return Heads(properties, tuple(units[name] for name in properties), tuple(fidelities))


def observations(
    records: Sequence[SurfaceRecord], set_labels: Sequence[SetLabel], heads: Heads
) -> list[Observation]:
    """Turn the labels of records and of sets of records into observations.

    Labels of other properties or fidelities than the heads' are passed over; a set counts if any of
    its members is among the records.
    """
    position = {record.name: index for index, record in enumerate(records)}
    property_index = {name: k for k, name in enumerate(heads.properties)}
    fidelity_index = {name: k for k, name in enumerate(heads.fidelities)}
    found = []
    for index, record in enumerate(records):
        for label in record.labels:
            if label.name in property_index and label.fidelity in fidelity_index:
                head = property_index[label.name], fidelity_index[label.fidelity]
                found.append(Observation((index,), *head, label.value, label.weight))
    for label in set_labels:
        members = tuple(position[name] for name in label.members if name in position)
        if members and label.name in property_index and label.fidelity in fidelity_index:
            head = property_index[label.name], fidelity_index[label.fidelity]
            found.append(Observation(members, *head, label.value, label.weight, label.statistic))
    return found


def label_scales(found: Sequence[Observation], heads: Heads) -> tuple[Tensor, Tensor]:
    """Return weighted mean and standard deviation of each property, shape (n_properties,) each.

    Labels of the first fidelity decide where there are any.
    """
    means, deviations = [], []
    for k in range(len(heads.properties)):
        own = [o for o in found if o.property_index == k]
        first = [o for o in own if o.fidelity_index == 0] or own
        values = torch.tensor([o.value for o in first], dtype=torch.float64)
        weights = torch.tensor([o.weight for o in first], dtype=torch.float64)
        shares = weights / weights.sum() if weights.sum() > 0 else torch.full_like(values, 1e-300)
        mean = (shares * values).sum()
        deviation = (shares * (values - mean) ** 2).sum().sqrt()
        means.append(mean)
        # A single label, or equal ones: any scale will do that is not zero.
        deviations.append(deviation if deviation > 1e-6 else torch.ones_like(deviation))
    return torch.stack(means).float(), torch.stack(deviations).float()


def observation_losses(
    values: Tensor,
    place: Mapping[int, int],
    found: Sequence[Observation],
    deviation: Tensor,
    huber_threshold: float,
) -> tuple[Tensor, Tensor]:
    """Return the loss and the absolute error of each observation.

    Parameters
    ----------
    values
        Predictions in the properties' units, shape (n_slabs, n_properties, n_fidelities).
    place
        Row of ``values`` of each slab; members that were not drawn are absent.
    found
        The observations.
    deviation
        Standard deviations of the properties, shape (n_properties,).
    huber_threshold
        Error (in standard deviations) beyond which the loss is linear.

    Returns
    -------
    losses, errors
        Shape (n_observations,); losses are dimensionless, errors in the properties' units.
    """
    device = values.device
    answers = _answers(values, place, found)
    labels = torch.tensor([o.value for o in found], device=device, dtype=values.dtype)
    scales = deviation[torch.tensor([o.property_index for o in found], device=device)]
    errors = answers - labels
    losses = nn_huber(errors / scales, huber_threshold)
    return losses, errors.abs()


def _answers(values: Tensor, place: Mapping[int, int], found: Sequence[Observation]) -> Tensor:
    """Return the prediction that answers each observation, shape (n_observations,)."""
    single = [k for k, o in enumerate(found) if o.statistic is None]
    # All single slabs in one step: one by one they would take longer than the network.
    heads = [
        (place[o.members[0]], o.property_index, o.fidelity_index)
        for o in (found[k] for k in single)
    ]
    rows, properties, fidelities = torch.tensor(heads, dtype=torch.int64).reshape(-1, 3).T
    answers = [values[rows, properties, fidelities]]
    sets = [k for k, o in enumerate(found) if o.statistic is not None]
    for o in (found[k] for k in sets):
        own = values[
            [place[m] for m in o.members if m in place], o.property_index, o.fidelity_index
        ]
        if o.statistic is Statistic.ONE_OF:
            # Whichever member comes closest is taken for the one that the source meant.
            answers.append(own[(own - o.value).abs().argmin()][None])
        else:
            answers.append(own.quantile(0.5)[None])
    back = torch.argsort(torch.tensor([*single, *sets]))
    return torch.cat(answers)[back.to(values.device)]


def nn_huber(errors: Tensor, threshold: float) -> Tensor:
    """Return Huber's loss, divided by the threshold: slope 1 for large errors."""
    return torch.nn.functional.smooth_l1_loss(
        errors, torch.zeros_like(errors), reduction="none", beta=threshold
    )
