"""What the commands of ``surfalign learn`` work with: sources of data, recipes, the registry of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
import yaml

from surfalign.errors import ConfigurationError
from surfalign.files import load_yaml, require_file
from surfalign.launchers.database.server import open_database
from surfalign.ml.data.candidate_surfaces import CandidateCrystal, read_crystals
from surfalign.ml.data.datasets import FrozenDataset, is_dataset, merge, read_dataset
from surfalign.ml.data.equal_slabs import EqualSlabs, find_equal_slabs
from surfalign.ml.data.from_results import freeze_results, is_results_file, read_results
from surfalign.ml.data.from_slab_files import freeze_slab_file
from surfalign.ml.ensemble.recipe import Recipe
from surfalign.ml.learners.kinds import configuration_of, get_learner
from surfalign.ml.models import shipped_model
from surfalign.ml.models.model_registry import ModelRegistry
from surfalign.ml.properties.declarations import read_declarations
from surfalign.ml.properties.from_store import freeze_fields
from surfalign.ml.properties.from_table import freeze_table
from surfalign.processes import available_cores
from surfalign.settings import load_settings
from surfalign.stores.query.results import find

#: Groups of equal slabs that are named.
SHOWN = 10


def registry(directory: Path | None) -> ModelRegistry:
    """Return the registry of a folder, or of the settings in force."""
    return ModelRegistry(directory)


def model(directory: Path | None, name: str | None) -> tuple[ModelRegistry, str]:
    """Return which model predicts, and where it is; the one that comes with surfalign where there is no other.

    A folder that was named is searched alone.
    """
    if directory is None:
        registry, found = shipped_model.own_or_shipped(name)
        if name is None and registry.directory == shipped_model.FOLDER:
            typer.echo(
                f"No model of IP and EA was trained here yet: {found} predicts, which comes with surfalign. How good it is: "
                f"surfalign learn models {found}",
                err=True,
            )
        return registry, found
    registry = ModelRegistry(directory)
    return registry, name or registry.latest()


def scratch_directory() -> Path:
    """Return the folder of checkpoints and finished members."""
    return load_settings().data_directory / "training"


@dataclass(frozen=True)
class Tables:
    """Tables of a user, and what stands in them.

    Attributes
    ----------
    files
        CSV, JSON, extXYZ.
    properties
        The file that declares their columns; without tables, fields of results.
    crystals
        Folder with the crystals of formulas.
    """

    files: Sequence[Path] = ()
    properties: Path | None = None
    crystals: Path | None = None

    def freeze(self) -> list[FrozenDataset]:
        """Return a data set of each table."""
        if not self.files:
            return []
        if self.properties is None:
            raise ConfigurationError(
                f"{self.files[0]} is a table, and nothing says what its columns are",
                "a file that declares name, unit and level of each property",
                "name it: --properties FILE.yaml; see `surfalign learn freeze --help`",
            )
        declared = read_declarations(self.properties)
        known: Sequence[CandidateCrystal] = ()
        if self.crystals is not None:
            known, unreadable = read_crystals(self.crystals)
            for reason, names in unreadable.items():
                typer.echo(f"{reason}: {', '.join(names)}", err=True)
        return [freeze_table(path, declared, known) for path in self.files]


def gather(
    slabs: Sequence[Path] | None,
    datasets: Sequence[Path] | None,
    query: str | None,
    tables: Tables | None = None,
    *,
    min_gap: float | None = None,
    flagged: bool = False,
    mixed: bool = False,
    name: str = "",
) -> FrozenDataset:
    """Return one data set of all named sources; of the whole store where none is named."""
    tables = tables or Tables()
    found = [freeze_slab_file(path, min_gap=min_gap) for path in slabs or []]
    found += [_refrozen(path, flagged, mixed) for path in datasets or []]
    found += tables.freeze()
    if query is not None or not found:
        fields = None if tables.files else tables.properties
        found.append(_from_store(query or None, flagged, mixed, fields))
    if len(found) == 1:
        return found[0]
    return merge(name or "+".join(dataset.name for dataset in found), found)


def _refrozen(path: Path, flagged: bool, mixed: bool) -> FrozenDataset:
    """Read a data set and check its labels again: an older file may hold some that are refused now.

    A file of results, such as the open data set, is frozen.
    """
    if is_results_file(path):
        return freeze_results(
            read_results(path), path.name.split(".")[0], flagged=flagged, mixed=mixed
        )
    dataset = read_dataset(path)
    return merge(dataset.name, [dataset])


def labelled_data(paths: Sequence[Path]) -> FrozenDataset:
    """Return the labelled surfaces of files: of ``learn freeze``, of results, or lists of slabs."""
    for path in paths:
        require_file(path)
    frozen = [path for path in paths if is_results_file(path) or is_dataset(path)]
    return gather([path for path in paths if path not in frozen], frozen, None)


def _from_store(
    query: str | None, flagged: bool, mixed: bool, properties: Path | None
) -> FrozenDataset:
    declared = None if properties is None else read_declarations(properties)
    with open_database() as database:
        results = find(database, query, full=True)
        if declared is not None:
            return freeze_fields(results, declared, flagged=flagged, mixed=mixed)
        return freeze_results(results, flagged=flagged, mixed=mixed)


def recipe(
    kind: str,
    file: Path | None,
    changes: Sequence[str] | None,
    seed: int,
    workers: int | None,
    properties: Sequence[str] | None = None,
) -> Recipe:
    """Return how to train, from a file and single values."""
    get_learner(kind)  # an unknown kind is named before files are read
    configuration = _read(file) if file is not None else {}
    for change in changes or []:
        _apply(configuration, change)
    configuration_of(kind, configuration)
    cores = workers or available_cores(load_settings())
    return Recipe(kind, configuration, seed, cores, tuple(properties or ()))


def _read(file: Path) -> dict[str, Any]:
    try:
        plain = load_yaml(file.read_text(encoding="utf-8"), str(file)) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(
            f"{file} cannot be read: {error}", "a YAML file", "correct --config"
        ) from error
    if not isinstance(plain, dict):
        raise ConfigurationError(f"{file} holds no mapping", "keys and values", "correct --config")
    return plain


def _apply(configuration: dict[str, Any], change: str) -> None:
    path, equals, text = change.partition("=")
    *parents, last = path.split(".")
    place: Any = configuration
    for parent in parents:
        place = place.setdefault(parent, {}) if isinstance(place, dict) else None
    try:
        value = load_yaml(text, f"--set {change!r}")
    except yaml.YAMLError:
        place = None
    if not equals or not last or not isinstance(place, dict):
        raise ConfigurationError(
            f"--set {change!r} sets nothing",
            "KEY=VALUE, e.g. network.training.epochs=30, where no other key is a part of KEY",
            "correct --set",
        )
    place[last] = value


def say_what_is_left_out(dataset: FrozenDataset) -> None:
    """Print what a data set holds, what was left out, and labels that differ, to standard error."""
    summary = dataset.summary()
    typer.echo(
        f"{summary['labelled_surfaces']} labelled surfaces of {summary['formulas']} formulas, "
        f"{summary['set_labels']} labels of sets, digest {dataset.digest[:12]}",
        err=True,
    )
    for reason, number in summary["left_out"].items():
        typer.echo(f"left out: {number} ({reason})", err=True)
    for rule, number in summary["refused_labels"].items():
        typer.echo(f"labels refused: {number} ({rule})", err=True)
    for reason, number in summary["lowered"].items():
        typer.echo(f"counts less: {number} ({reason})", err=True)
    _say_equal_slabs(find_equal_slabs(dataset.records), dataset.units)


def _say_equal_slabs(groups: Sequence[EqualSlabs], units: Mapping[str, str]) -> None:
    """Print which slabs are one under different names, those whose labels differ most first."""
    if not groups:
        return
    typer.echo(
        f"equal slabs: {sum(len(group.names) for group in groups)} of the names are "
        f"{len(groups)} slabs; an error cannot be smaller than half the spread of their labels",
        err=True,
    )
    for group in groups[:SHOWN]:
        spreads = ", ".join(
            f"{name} {spread:.2f} {units[name]}" for (name, _), spread in group.spreads.items()
        )
        typer.echo(f"  {', '.join(group.names)}: labels spread by {spreads or 'nothing'}", err=True)
    if len(groups) > SHOWN:
        typer.echo(f"  and {len(groups) - SHOWN} more", err=True)
