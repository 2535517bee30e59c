"""What the commands of ``surfalign learn`` have in common: options, sources of data, the registry."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from surfalign.ml.data.datasets import FrozenDataset
    from surfalign.ml.ensemble.recipe import Recipe
    from surfalign.ml.models.model_registry import Registry

Slabs = Annotated[
    list[Path] | None,
    typer.Option("--slabs", help="JSON list of slabs with levels (also .gz); repeatable."),
]
Datasets = Annotated[
    list[Path] | None,
    typer.Option("--dataset", help="File that 'learn freeze' wrote; repeatable."),
]
Query = Annotated[
    str | None,
    typer.Option("--query", help="Results of the store that match; '' means all."),
]
MinGap = Annotated[
    float | None,
    typer.Option("--min-gap", help="Leave slabs of --slabs with a smaller gap out, eV."),
]
Kind = Annotated[
    str,
    typer.Option("--kind", help="lsoap (the network), composition (boosted trees) or mean."),
]
Configuration = Annotated[
    Path | None,
    typer.Option("--config", help="YAML file with what differs from the defaults of the kind."),
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", help="One value, e.g. training.epochs=30; repeatable."),
]
Seed = Annotated[int, typer.Option("--seed", help="Of everything random.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Members trained at a time; by default one a core."),
]
Directory = Annotated[
    Path | None,
    typer.Option("--registry", help="Folder of the models; by default in the data directory."),
]
Model = Annotated[
    str | None,
    typer.Option("--model", help="Name of the model; by default the one promoted last."),
]


def registry(directory: Path | None) -> Registry:
    """Return the registry of a folder, or of the settings in force."""
    from surfalign.ml.models.model_registry import Registry
    from surfalign.settings import load_settings

    return Registry(directory or load_settings().data_directory / "models")


def scratch_directory() -> Path:
    """Return the folder of checkpoints and finished members."""
    from surfalign.settings import load_settings

    return load_settings().data_directory / "training"


def model_name(models: Registry, name: str | None) -> str:
    """Return the wanted model, or the one whose champion is the youngest."""
    from surfalign.errors import ModelNotFoundError

    if name is not None:
        return name
    champions = {known: models.champion(known) for known in models.names()}
    promoted = {known: c.since for known, c in champions.items() if c is not None}
    if not promoted:
        raise ModelNotFoundError(
            f"there is no trained model in {models.directory}",
            "a model",
            "train one: surfalign learn train --slabs FILE --model NAME",
        )
    return max(promoted, key=lambda known: promoted[known])


def gather(
    slabs: Sequence[Path] | None,
    datasets: Sequence[Path] | None,
    query: str | None,
    *,
    min_gap: float | None = None,
    flagged: bool = False,
    name: str = "",
) -> FrozenDataset:
    """Return one data set of all named sources; of the whole store where none is named."""
    from surfalign.ml.data.datasets import merge, read_dataset
    from surfalign.ml.data.from_slab_files import freeze_slab_file

    found = [freeze_slab_file(path, min_gap=min_gap) for path in slabs or []]
    found += [read_dataset(path) for path in datasets or []]
    if query is not None or not found:
        found.append(_from_store(query or None, flagged))
    if len(found) == 1:
        return found[0]
    return merge(name or "+".join(dataset.name for dataset in found), found)


def _from_store(query: str | None, flagged: bool) -> FrozenDataset:
    from surfalign.launchers.database.server import open_database
    from surfalign.ml.data.from_results import freeze_results
    from surfalign.stores.query.results import find

    with open_database() as database:
        return freeze_results(find(database, query, full=True), flagged=flagged)


def recipe(
    kind: str, file: Path | None, changes: Sequence[str] | None, seed: int, workers: int | None
) -> Recipe:
    """Return how to train, from a file and single values."""
    from surfalign.errors import ConfigurationError
    from surfalign.ml.ensemble.recipe import Recipe
    from surfalign.ml.interface import LearnerKind
    from surfalign.ml.learners.kinds import configuration_of
    from surfalign.processes import available_cores
    from surfalign.settings import load_settings

    try:
        chosen = LearnerKind(kind)
    except ValueError:
        raise ConfigurationError(
            f"{kind!r} is no kind of model", ", ".join(LearnerKind), "correct --kind"
        ) from None
    configuration = _read(file) if file is not None else {}
    for change in changes or []:
        _apply(configuration, change)
    configuration_of(chosen, configuration)
    cores = workers or available_cores(load_settings())
    return Recipe(chosen, configuration, seed, cores)


def _read(file: Path) -> dict[str, Any]:
    import yaml

    from surfalign.errors import ConfigurationError

    try:
        plain = yaml.safe_load(file.read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(
            f"{file} cannot be read: {error}", "a YAML file", "correct --config"
        ) from error
    if not isinstance(plain, dict):
        raise ConfigurationError(f"{file} holds no mapping", "keys and values", "correct --config")
    return plain


def _apply(configuration: dict[str, Any], change: str) -> None:
    import yaml

    from surfalign.errors import ConfigurationError

    path, equals, text = change.partition("=")
    *parents, last = path.split(".")
    place = configuration
    for parent in parents:
        place = place.setdefault(parent, {})
    if not equals or not last:
        raise ConfigurationError(
            f"--set {change!r} sets nothing", "KEY=VALUE, e.g. training.epochs=30", "correct --set"
        )
    place[last] = yaml.safe_load(text)


class Lines:
    """Prints progress to standard error, with the time since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, line: str) -> None:
        """Print one line."""
        typer.echo(f"{time.monotonic() - self._start:7.0f} s  {line}", err=True)


def say_what_is_left_out(dataset: FrozenDataset) -> None:
    """Print what a data set holds and what was left out, to standard error."""
    summary = dataset.summary()
    typer.echo(
        f"{summary['labelled_surfaces']} labelled surfaces of {summary['formulas']} formulas, "
        f"{summary['set_labels']} labels of sets, digest {dataset.digest[:12]}",
        err=True,
    )
    for reason, number in summary["left_out"].items():
        typer.echo(f"left out: {number} ({reason})", err=True)
