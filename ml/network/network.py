"""From the densities of a slab's atoms to its properties.

    densities -> invariants -> per-atom network -> attention pooling -> one readout for each property

Everything is a function of rotational invariants of single atoms, of their element, depth and
multiplicity, so rotations, translations and the order of atoms cannot matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from surfalign.ml.configuration import LearnerConfiguration, Levels, Representation
from surfalign.ml.descriptors.element_properties import element_properties
from surfalign.ml.descriptors.lsoap import LearnableSoap
from surfalign.ml.descriptors.ordinary_soap import OrdinarySoap
from surfalign.ml.descriptors.physical.physical_inputs import INPUTS
from surfalign.ml.network.attention import AttentionPooling
from surfalign.ml.network.batches import SlabBatch
from surfalign.ml.properties.property import (
    BAND_GAP,
    ELECTRON_AFFINITY,
    IONIZATION_POTENTIAL,
    LEVELS,
)

LARGEST_DISTANCE = 5.0
"""Standardised physical inputs end here (standard deviations)."""
GAP_SOFTNESS = 0.05
"""Width of the bend at gap zero (eV): a gap of a few times that is what the heads say."""


@dataclass(frozen=True)
class NetworkOutput:
    """What the network says of a batch.

    Attributes
    ----------
    values
        Predictions in the properties' units, shape (n_slabs, n_properties, n_fidelities).
    weights
        Attention of each distinct atom, shape (n_atoms, n_properties, 2); see ``PooledSlabs``.
    atoms
        Atom vectors, shape (n_atoms, n_hidden).
    vectors
        Slab vectors, shape (n_slabs, n_properties, 2 * n_hidden).
    """

    values: Tensor
    weights: Tensor
    atoms: Tensor
    vectors: Tensor


class AtomNetwork(nn.Module):
    """Invariants and element of one atom to its vector.

    Parameters
    ----------
    n_features
        Number of invariants.
    hidden
        Length of the vector.
    dropout
        Share of units dropped while training.
    element_inputs
        Whether the properties of the centre's element are told.
    """

    properties: Tensor

    def __init__(self, n_features: int, hidden: int, dropout: float, element_inputs: bool) -> None:
        super().__init__()
        table = torch.as_tensor(element_properties(), dtype=torch.float32)
        self.register_buffer("properties", table, persistent=False)
        self.spectrum = nn.Linear(n_features, hidden)
        self.element = nn.Linear(table.shape[1], hidden, bias=False) if element_inputs else None
        self.norm = nn.LayerNorm(hidden)
        self.second = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor, centers: Tensor) -> Tensor:
        """Return the atom vectors, shape (n_atoms, hidden).

        Parameters
        ----------
        features
            Standardised invariants, shape (n_atoms, n_features).
        centers
            Atomic numbers, shape (n_atoms,).
        """
        first = self.spectrum(features)
        if self.element is not None:
            first = first + self.element(self.properties[centers])
        hidden: Tensor = self.dropout(nn.functional.silu(self.norm(first)))
        return hidden + nn.functional.silu(self.second(hidden))


class InputScaling(nn.Module):
    """Physical inputs in standard deviations of the training slabs; what is missing is at their mean."""

    centre: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(len(INPUTS)))
        self.register_buffer("scale", torch.ones(len(INPUTS)))

    def standardise(self, inputs: Tensor) -> None:
        """Take mean and deviation of the training slabs, shape (n_slabs, n_inputs)."""
        centre = inputs.nanmean(dim=0).nan_to_num()
        deviation = (inputs - centre).square().nanmean(dim=0).sqrt().nan_to_num()
        self.centre.copy_(centre)
        # A column that does not differ tells nothing, in whichever unit.
        self.scale.copy_(torch.where(deviation > 1e-6, deviation, torch.ones_like(deviation)))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the standardised inputs, shape (n_slabs, n_inputs)."""
        standard = (inputs - self.centre) / self.scale
        return standard.clamp(-LARGEST_DISTANCE, LARGEST_DISTANCE).nan_to_num()


class SlabNetwork(nn.Module):
    """Properties of slabs for each fidelity.

    Parameters
    ----------
    configuration
        The learner's configuration.
    properties
        Names of the properties, one readout each.
    n_fidelities
        Number of fidelities; the first is that of the predictions.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        configuration: LearnerConfiguration,
        properties: Sequence[str],
        n_fidelities: int = 1,
    ) -> None:
        super().__init__()
        network, targets = configuration.network, configuration.targets
        self.properties = tuple(properties)
        self.chunk = network.atoms_per_chunk
        self.soap: LearnableSoap | OrdinarySoap
        if network.representation is Representation.ORDINARY:
            self.soap = OrdinarySoap(configuration.descriptor, network.n_components)
        else:
            self.soap = LearnableSoap(configuration.descriptor, configuration.spectrum)
        self.atom_network = AtomNetwork(
            self.soap.n_features, network.hidden, network.dropout, network.element_inputs
        )
        self.pooling = AttentionPooling(
            network.hidden,
            len(self.properties),
            network.surface_zone,
            network.bulk_zone,
            network.attention,
            network.score_bound,
        )
        self.inputs = InputScaling() if network.physical_inputs else None
        n_told = 0 if self.inputs is None else len(INPUTS)
        own_heads = targets.fidelity_mode == "head"
        n_outputs = n_fidelities if own_heads else 1
        self.readouts = nn.ModuleList(
            nn.Sequential(
                nn.Linear(2 * network.hidden + n_told, network.readout),
                nn.SiLU(),
                nn.Dropout(network.dropout),
                nn.Linear(network.readout, n_outputs),
            )
            for _ in self.properties
        )
        # The first fidelity is the reference: its offset stays zero.
        self.offsets = nn.Parameter(
            torch.zeros(len(self.properties), n_fidelities - 1), requires_grad=not own_heads
        )
        both = set(LEVELS) <= set(self.properties)
        self.levels = targets.levels if both else Levels.FREE
        self.register_buffer("mean", torch.zeros(len(self.properties)))
        self.register_buffer("deviation", torch.ones(len(self.properties)))

    def atom_vectors(self, batch: SlabBatch) -> Tensor:
        """Return the vectors of the atoms, shape (n_atoms, n_hidden), chunk by chunk."""
        parts = []
        chunks = (x.split(self.chunk) for x in (batch.coefficients, batch.species, batch.centers))
        for coefficients, species, centers in zip(*chunks, strict=True):
            # Sums of products lose digits in half precision; the dense layers do not mind.
            with torch.autocast(coefficients.device.type, enabled=False):
                features = self.soap(coefficients, species)
            parts.append(self.atom_network(features, centers))
        # Out of half precision, where a mixed-precision run left them.
        return torch.cat(parts).to(self.mean.dtype)

    def forward(self, batch: SlabBatch) -> NetworkOutput:
        """Predict for the slabs of a batch."""
        atoms = self.atom_vectors(batch)
        pooled = self.pooling(atoms, batch)
        told = pooled.vectors
        if self.inputs is not None:
            standard_inputs = self.inputs(batch.inputs).to(told.dtype)
            every_property = standard_inputs[:, None, :].expand(-1, told.shape[1], -1)
            told = torch.cat([told, every_property], dim=2)
        raw = torch.stack(
            [readout(told[:, k]) for k, readout in enumerate(self.readouts)], dim=1
        ).to(self.mean.dtype)
        shifts = nn.functional.pad(self.offsets, (1, 0))
        standard = raw + shifts
        values = standard * self.deviation[:, None] + self.mean[:, None]
        if self.levels is Levels.GAP_HEAD:
            values = self._with_gap_head(standard, values)
        elif self.levels is Levels.TOGETHER:
            values = self._together(values)
        return NetworkOutput(values, pooled.weights, atoms, pooled.vectors)

    def _with_gap_head(self, standard: Tensor, values: Tensor) -> Tensor:
        """Read the affinity's head as the gap, which is never negative, and subtract it."""
        ionization = self.properties.index(IONIZATION_POTENTIAL)
        affinity = self.properties.index(ELECTRON_AFFINITY)
        gap = nn.functional.softplus(standard[:, affinity]) * self.deviation[affinity]
        columns = list(values.unbind(dim=1))
        columns[affinity] = columns[ionization] - gap
        return torch.stack(columns, dim=1)

    def _together(self, values: Tensor) -> Tensor:
        """Keep EA below IP, half of the change on either side; a prediction's gap is their difference.

        While training, the gap's own head answers for the labels of gaps: it teaches what the atoms are told, and
        pulls neither level.
        """
        columns = dict(zip(self.properties, values.unbind(dim=1), strict=True))
        gap = columns[IONIZATION_POTENTIAL] - columns[ELECTRON_AFFINITY]
        # The smooth maximum of the gap and zero.
        lift = GAP_SOFTNESS * nn.functional.softplus(-gap / GAP_SOFTNESS)
        columns[IONIZATION_POTENTIAL] = columns[IONIZATION_POTENTIAL] + 0.5 * lift
        columns[ELECTRON_AFFINITY] = columns[ELECTRON_AFFINITY] - 0.5 * lift
        if BAND_GAP in columns and not self.training:
            columns[BAND_GAP] = gap + lift
        return torch.stack([columns[name] for name in self.properties], dim=1)
