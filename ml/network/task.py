"""The learning task in pytorch-lightning's terms."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from surfalign.ml.configuration import LearnerConfiguration
from surfalign.ml.network.datamodule import LabelledBatch, LabelledSlabs, SurfaceDataModule
from surfalign.ml.network.network import SlabNetwork
from surfalign.ml.network.observations import Heads, Observation, observation_losses

WARM_UP = 0.15
"""Share of the steps in which the learning rate rises."""

SMALLEST_TOTAL = 1e-6
"""Weight of a step whose labels have none."""

OFFSET_SPEED = 10.0
"""Learning rate of the fidelities' offsets, relative to the network's."""


class SurfaceTask(pl.LightningModule):
    """Fit a network to observations.

    Parameters
    ----------
    network
        What is fitted.
    configuration
        The learner's configuration.
    heads
        Properties and fidelities.
    data
        Where the items of a step are looked up.
    seed
        Of the draws from sets.
    """

    def __init__(
        self,
        network: SlabNetwork,
        configuration: LearnerConfiguration,
        heads: Heads,
        data: SurfaceDataModule,
        seed: int,
    ) -> None:
        super().__init__()
        self.network, self.heads, self.seed = network, heads, seed
        self.options = configuration.training
        weights = configuration.targets.weights
        self.property_weights = [weights.get(name, 1.0) for name in heads.properties]
        # Hidden from the module's own bookkeeping: data are no part of a checkpoint.
        self._data = [data]
        self._sums: list[list[float]] = []
        self._losses: list[tuple[int, Tensor]] = []

    def training_step(self, items: list[int], batch_index: int) -> Tensor:
        """Return the loss of some items, of which each process takes its share.

        The loss of a share is that over the weight of all items, times the number of processes: the mean over the
        processes, which DistributedDataParallel makes of the gradients, is that of one process with all items.
        """
        draw = random.Random(f"{self.seed} {self.global_step}")
        part = self._part(self._data[0].train)
        processes = self.trainer.world_size
        own = items[self.trainer.global_rank :: processes]
        # A process without any item goes through the motions, for the others wait for its gradients.
        batch = part.batch(own or items[:1], draw=draw)
        losses, _ = self._evaluate(batch)
        total = sum(self._weight(o) for item in items for o in part.items[item])
        share = processes / max(total, SMALLEST_TOTAL) if own else 0.0
        loss = (losses * self._weights(batch.found)).sum() * share
        self._losses.append((len(items), loss.detach()))
        if self.trainer.is_last_batch:
            self._log_losses()
        return loss

    def _log_losses(self) -> None:
        """Log the mean loss of the epoch; for each step it would take as long as the readouts."""
        total = sum(size for size, _ in self._losses)
        mean = torch.stack([size * loss for size, loss in self._losses]).sum() / total
        self._losses.clear()
        self.log(
            "training_loss",
            mean,
            on_step=False,
            on_epoch=True,
            batch_size=total,
            sync_dist=self.trainer.world_size > 1,
        )

    def transfer_batch_to_device(
        self, batch: list[int], device: torch.device, dataloader_idx: int
    ) -> list[int]:
        """Return the numbers of the items: Lightning would look for tensors among them, one by one."""
        return batch

    def on_validation_epoch_start(self) -> None:
        """Forget the errors of the epoch before."""
        self._sums = [[0.0, 0.0] for _ in self.heads.properties]

    def validation_step(self, items: list[int], batch_index: int) -> None:
        """Add up the errors of some items, each with the weight of its label, as the loss does."""
        batch = self._part(self._data[0].validation).batch(items)
        _, errors = self._evaluate(batch)
        for o, error in zip(batch.found, errors.tolist(), strict=True):
            if o.fidelity_index == 0:
                own = self._sums[o.property_index]
                own[0] += o.weight * error
                own[1] += o.weight

    def on_validation_epoch_end(self) -> None:
        """Log the weighted error of each property, and their mean in standard deviations of the labels."""
        total, weight = 0.0, 0.0
        for k, name in enumerate(self.heads.properties):
            errors, weights = self._sums[k]
            if not weights:
                continue
            self.log(f"validation_{name}", errors / weights)
            share = self.property_weights[k]
            total += errors / weights / float(self.network.deviation[k]) * share
            weight += share
        if weight > 0:
            self.log("validation_error", total / weight, prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW with a one-cycle schedule; embedding and contraction are not decayed."""
        options, network = self.options, self.network
        soap = list(network.soap.parameters()) if options.descriptor_learning_rate > 0 else []
        apart = {id(p) for p in [*network.soap.parameters(), network.offsets]}
        rest = [p for p in network.parameters() if id(p) not in apart]
        groups: list[dict[str, Any]] = [{"params": rest, "weight_decay": options.weight_decay}]
        rates = [options.learning_rate]
        if soap:
            groups.append({"params": soap, "weight_decay": 0.0})
            rates.append(options.descriptor_learning_rate)
        if network.offsets.requires_grad and network.offsets.numel():
            # Few numbers that may have far to go.
            groups.append({"params": [network.offsets], "weight_decay": 0.0})
            rates.append(OFFSET_SPEED * options.learning_rate)
        # All parameters in one pass: they are many and small. Lightning does not clip them so in mixed precision.
        fused = "mixed" not in options.precision
        optimizer = torch.optim.AdamW(groups, lr=options.learning_rate, fused=fused)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=rates,
            total_steps=max(2, int(self.trainer.estimated_stepping_batches)),
            pct_start=WARM_UP,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def _part(self, part: LabelledSlabs | None) -> LabelledSlabs:
        if part is None:
            raise RuntimeError("a step was asked of a part of the data that is empty")
        return part

    def _weight(self, observation: Observation) -> float:
        return observation.weight * self.property_weights[observation.property_index]

    def _weights(self, found: Sequence[Observation]) -> Tensor:
        return torch.tensor([self._weight(o) for o in found], device=self.device)

    def _evaluate(self, batch: LabelledBatch) -> tuple[Tensor, Tensor]:
        """Return the loss and the absolute error of each observation."""
        values = self.network(batch.slabs.to(self.device)).values
        return observation_losses(
            values, batch.place, batch.found, self.network.deviation, self.options.huber_threshold
        )
