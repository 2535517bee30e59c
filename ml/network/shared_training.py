"""Processes that share the steps of one network: DistributedDataParallel through Lightning.

All processes are told the same items for a step, and each takes its share of them. The loss of a share is divided by
the weight of the whole step, so that the gradients that are averaged are those of one process, to the last digits.
"""

from __future__ import annotations

import os
from typing import Any

import torch

# Exported from another package of Lightning, without saying so.
from pytorch_lightning.plugins.environments import LightningEnvironment  # type: ignore[attr-defined]

from surfalign.errors import ConfigurationError
from surfalign.ml.configuration import TrainingConfiguration
from surfalign.ml.network.ranks import RANK, own_rank


def join(options: TrainingConfiguration) -> None:
    """Find the other processes of this training.

    Raises
    ------
    ConfigurationError
        If nobody has started them.
    """
    if options.processes == 1 or torch.distributed.is_initialized():
        return
    if RANK not in os.environ:
        raise ConfigurationError(
            f"training.processes = {options.processes} in a process that was started alone",
            "processes that were started together",
            "train an ensemble (surfalign learn train), which starts them, or set training.processes=1",
        )
    backend = "gloo" if options.accelerator == "cpu" else "cpu:gloo,cuda:nccl"
    torch.distributed.init_process_group(backend, rank=own_rank(), world_size=options.processes)


def wait_for_others() -> None:
    """Return when all processes of this training have come here."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()


def trainer_options(options: TrainingConfiguration) -> dict[str, Any]:
    """Return what Lightning's trainer must know."""
    if options.processes == 1:
        return {"devices": 1}
    return {
        "devices": options.processes,
        "strategy": "ddp",
        # Not that of a batch system, which may count otherwise; the processes are there already.
        "plugins": [LightningEnvironment()],
        "use_distributed_sampler": False,
    }
