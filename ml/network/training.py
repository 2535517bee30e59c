"""Train one network; a run that was killed goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger

from surfalign.errors import EmptyDatasetError, LearnerError
from surfalign.ml.configuration import LearnerConfiguration
from surfalign.ml.data.records import SetLabel, SurfaceRecord
from surfalign.ml.descriptors.density_cache import DensityCache, default_cache
from surfalign.ml.network import shared_training
from surfalign.ml.network.datamodule import SurfaceDataModule, TrainingAtoms
from surfalign.ml.network.model import FORMAT_VERSION, TrainedModel
from surfalign.ml.network.network import SlabNetwork
from surfalign.ml.network.observations import Heads, find_heads, label_scales, observations
from surfalign.ml.network.ranks import own_rank
from surfalign.ml.network.task import SurfaceTask

logger = logging.getLogger(__name__)

LAST, BEST, RUN = "last.ckpt", "best.ckpt", "run.json"


def train_model(
    train: Sequence[SurfaceRecord],
    validation: Sequence[SurfaceRecord],
    configuration: LearnerConfiguration,
    *,
    set_labels: Sequence[SetLabel] = (),
    directory: Path,
    seed: int = 0,
    cache: DensityCache | None = None,
    progress: Callable[[str], None] | None = None,
    start: TrainedModel | None = None,
) -> TrainedModel:
    """Train a network.

    Parameters
    ----------
    train
        Slabs to learn from.
    validation
        Slabs that decide when to stop and which epoch is kept; empty keeps the last epoch.
    configuration
        Everything that defines the model.
    set_labels
        Labels of sets of slabs.
    directory
        For checkpoints and logs. Called again with the same arguments and directory, the run goes on
        after its last complete epoch; with other arguments it starts anew.
    seed
        Of weights, order and dropout.
    cache
        Where density coefficients are kept; None means the data directory.
    progress
        Called with a line after each epoch.
    start
        A trained model whose weights are the starting point (transfer learning).

    Raises
    ------
    EmptyDatasetError
        If there is nothing to learn from.
    """
    if not train:
        raise EmptyDatasetError(
            "there are no slabs to learn from", "at least one", "check how the data were split"
        )
    heads = find_heads(train, set_labels, configuration.targets)
    run = _run_identity(train, validation, set_labels, configuration, seed, start)
    shared_training.join(configuration.training)
    if own_rank() == 0:
        _prepare_directory(directory, run)
    shared_training.wait_for_others()
    data = SurfaceDataModule(
        train,
        validation,
        set_labels,
        heads,
        configuration,
        default_cache() if cache is None else cache,
        seed,
    )
    network = _start_network(data, train, set_labels, configuration, heads, seed, start)
    task = SurfaceTask(network, configuration, heads, data, seed)
    with _quiet_lightning():
        trainer = _trainer(configuration, directory, data, seed, progress)
        last = directory / LAST
        trainer.fit(task, datamodule=data, ckpt_path=last if last.exists() else None)
    kept = directory / BEST
    if kept.exists():
        state = torch.load(kept, weights_only=True, map_location="cpu")["state_dict"]
        task.load_state_dict(state)
    metadata = {
        "format": FORMAT_VERSION,
        "properties": list(heads.properties),
        "units": list(heads.units),
        "fidelities": list(heads.fidelities),
        "fidelity": heads.fidelities[0],
        "elements": sorted({symbol for r in train for symbol in r.chemical_system.split("-")}),
        "n_train": len(train),
        "n_validation": len(validation),
        "epochs": trainer.current_epoch,
        "seed": seed,
    }
    return TrainedModel(configuration, metadata, network.cpu().eval())


def _start_network(
    data: SurfaceDataModule,
    train: Sequence[SurfaceRecord],
    set_labels: Sequence[SetLabel],
    configuration: LearnerConfiguration,
    heads: Heads,
    seed: int,
    start: TrainedModel | None,
) -> SlabNetwork:
    """Make the network, standardised on the training data, or take over a trained one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SlabNetwork(configuration, heads.properties, len(heads.fidelities))
    part = data.train
    if part is None or not part.items:
        raise EmptyDatasetError("no training slab has a label", "at least one", "check the labels")
    if start is not None:
        if tuple(start.metadata["fidelities"]) != heads.fidelities or (
            start.properties != heads.properties
        ):
            raise LearnerError(
                f"the starting model predicts {', '.join(start.properties)} at "
                f"{', '.join(start.metadata['fidelities'])}",
                f"{', '.join(heads.properties)} at {', '.join(heads.fidelities)}, as in the data",
                "start from a model of the same properties and fidelities",
            )
        network.load_state_dict(start.network.state_dict())
        return network
    mean, deviation = label_scales(observations(train, set_labels, heads), heads)
    network.mean.copy_(mean)
    network.deviation.copy_(deviation)
    if network.inputs is not None:
        network.inputs.standardise(torch.as_tensor(part.inputs, dtype=torch.float32))
    network.soap.standardise(TrainingAtoms(part))
    return network


def _trainer(
    configuration: LearnerConfiguration,
    directory: Path,
    data: SurfaceDataModule,
    seed: int,
    progress: Callable[[str], None] | None,
) -> pl.Trainer:
    options = configuration.training
    validated = data.validation is not None and len(data.validation) > 0
    callbacks: list[Callback] = [
        ModelCheckpoint(
            dirpath=directory,
            filename="last",
            enable_version_counter=False,
            # After the whole epoch, so that a resumed run starts with the next.
            save_on_train_epoch_end=True,
        ),
        EpochSeeds(seed),
    ]
    if validated:
        callbacks.append(
            ModelCheckpoint(
                dirpath=directory,
                filename="best",
                monitor="validation_error",
                enable_version_counter=False,
                save_on_train_epoch_end=True,
            )
        )
        if options.patience is not None:
            callbacks.append(EarlyStopping("validation_error", patience=options.patience))
    if progress is not None:
        callbacks.append(EpochReport(progress))
    return pl.Trainer(
        max_epochs=options.epochs,
        accelerator=options.accelerator,
        precision=options.precision,
        gradient_clip_val=options.gradient_clipping,
        callbacks=callbacks,
        logger=CSVLogger(directory, name="log", flush_logs_every_n_steps=1),
        default_root_dir=directory,
        limit_val_batches=1.0 if validated else 0,
        num_sanity_val_steps=0,
        log_every_n_steps=1_000_000,
        enable_progress_bar=False,
        enable_model_summary=False,
        **shared_training.trainer_options(options),
    )


class EpochSeeds(Callback):
    """Seed each epoch by itself, so that a resumed run equals one that was never interrupted."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Seed torch, which dropout draws from, in each process otherwise."""
        own = 1_000_000_007 * trainer.global_rank
        torch.manual_seed(1_000_003 * self.seed + trainer.current_epoch + own)


class EpochReport(Callback):
    """Tell the caller how each epoch went."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self.progress = progress

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report the epoch."""
        metrics = trainer.callback_metrics
        parts = [f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"]
        for name in ("training_loss", "validation_error"):
            if name in metrics:
                parts.append(f"{name.replace('_', ' ')} {float(metrics[name]):.3f}")
        self.progress(", ".join(parts))


def _run_identity(
    train: Sequence[SurfaceRecord],
    validation: Sequence[SurfaceRecord],
    set_labels: Sequence[SetLabel],
    configuration: LearnerConfiguration,
    seed: int,
    start: TrainedModel | None,
) -> dict[str, Any]:
    """Return what has to be the same for a checkpoint to be continued."""
    digest = hashlib.sha256()
    for part in (train, validation):
        for record in part:
            digest.update(repr((record.name, record.labels)).encode())
        digest.update(b"|")
    digest.update(repr(list(set_labels)).encode())
    if start is not None:
        for name, tensor in sorted(start.tensors().items()):
            digest.update(name.encode() + tensor.numpy().tobytes())
    return {
        "format": FORMAT_VERSION,
        "configuration": configuration.model_dump(mode="json"),
        "seed": seed,
        "data": digest.hexdigest(),
    }


def _prepare_directory(directory: Path, run: dict[str, Any]) -> None:
    """Keep the checkpoints of the same run, remove those of another."""
    record = directory / RUN
    try:
        same = json.loads(record.read_text()) == run
    except (OSError, ValueError):
        same = False
    if not same:
        for name in (LAST, BEST):
            (directory / name).unlink(missing_ok=True)
        shutil.rmtree(directory / "log", ignore_errors=True)
        directory.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps(run, indent=1))


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Silence what Lightning says about hardware and data loaders that we chose on purpose."""
    loud = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric")]
    levels = [log.level for log in loud]
    with warnings.catch_warnings():
        for module in ("pytorch_lightning", "lightning_fabric", "torch"):
            warnings.filterwarnings("ignore", module=module)
        for log in loud:
            log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for log, level in zip(loud, levels, strict=True):
                log.setLevel(level)
