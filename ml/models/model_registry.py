"""The registry: every version of every model is kept; one of them is the champion.

::

    MODELS/NAME/versions/0001-3f2a9c1d/weights.safetensors   arrays
                                       card.json             what they are
    MODELS/NAME/champion.json                                which version predicts, and its predecessors
    MODELS/NAME/data/                                        the frozen data sets of retraining
    MODELS/NAME/reports/                                     what retraining decided, by date

A version is written beside and renamed when it is complete and on disk; ``champion.json`` is replaced in
one step. A process that is killed at any moment leaves the old champion or the new one, never a broken
one. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from surfalign.errors import (
    ConfigurationError,
    DamagedFileError,
    ModelNotFoundError,
    ModelVersionError,
)
from surfalign.files import sync_folder, write_whole
from surfalign.ml.ensemble.ensemble import Ensemble
from surfalign.ml.network.weights import read_parts, write_parts
from surfalign.ml.properties.property import LEVELS, Level
from surfalign.settings import load_settings
from surfalign.version import __version__

#: Raised whenever what is stored changes.
CARD_VERSION = 1
WEIGHTS = "weights.safetensors"
CARD = "card.json"
CHAMPION = "champion.json"
#: Fields that cards of 0.2 lack.
_LATER_FIELDS = {"formulas", "notes"}
#: What the fields of a card are in its file, by their kind in the class.
_JSON_TYPES = {"str": str, "int": int, "dict": dict, "tuple": list}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
#: What a name of a model may be, in words.
NAMES = (
    "letters, digits, dots, hyphens and underscores (ASCII, at most 100), a letter or digit first"
)
#: How long to wait for another process that writes to the same model (s).
LOCK_TIMEOUT = 60.0


@dataclass(frozen=True)
class ModelCard:
    """What a version is.

    Attributes
    ----------
    name, version
        Which.
    kind
        Kind of the members.
    created_at
        When it was made, ISO 8601, UTC.
    code_versions
        Versions of surfalign and of the libraries that shaped the weights.
    configuration
        The whole configuration of the training.
    seed
        Of everything random.
    dataset
        Summary of the training data; its digest names them.
    fidelity
        What is predicted.
    elements
        Elements of the training data with the number of their surfaces.
    metrics
        Out-of-fold errors by property, with their units; see :func:`~surfalign.ml.assessment.metrics.summarise`.
    weights_sha256
        Of the weights' file.
    card_version
        Version of this format.
    formulas
        Formulas of the training data; empty in cards of 0.2.
    notes
        What is unusual about the calibration of the intervals, by property.
    """

    name: str
    version: str
    kind: str
    created_at: str
    code_versions: dict[str, str]
    configuration: dict[str, Any]
    seed: int
    dataset: dict[str, Any]
    fidelity: str
    elements: dict[str, int]
    metrics: dict[str, Any]
    weights_sha256: str = ""
    card_version: int = CARD_VERSION
    formulas: tuple[str, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        """Whether slabs or crystals are predicted."""
        return Level(self.dataset.get("level", Level.SLAB))

    @property
    def of_levels(self) -> bool:
        """Whether IP or EA of surfaces is predicted."""
        declared = {plain["name"] for plain in self.dataset.get("properties", ())}
        # A model of one formula has no errors.
        names = set(self.metrics) or declared or set(LEVELS)
        return not names.isdisjoint(LEVELS)

    @property
    def of_weak_labels(self) -> bool:
        """Whether no surface of the training data had a label of its own."""
        return not self.dataset.get("labelled_surfaces")


@dataclass(frozen=True)
class Champion:
    """Which version of a model predicts.

    Attributes
    ----------
    version
        The champion.
    previous
        Earlier champions, the latest last.
    since
        When it became champion, ISO 8601, UTC.
    """

    version: str
    previous: list[str] = field(default_factory=list)
    since: str = ""


class ModelRegistry:
    """The models of one folder.

    Parameters
    ----------
    directory
        Where they are; made when the first version is added. By default in the data directory.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or load_settings().data_directory / "models"

    def __repr__(self) -> str:
        return f"ModelRegistry({str(self.directory)!r}: {', '.join(self.names()) or 'empty'})"

    def names(self) -> list[str]:
        """Return the names of all models that have a version."""
        if not self.directory.is_dir():
            return []
        return sorted(p.name for p in self.directory.iterdir() if self.versions(p.name))

    def latest(self) -> str:
        """Return the name of the model that was promoted last.

        One that predicts no levels of surfaces is named only where there is no other, and one of weak labels only
        where there is no other of its sort.

        Raises
        ------
        ModelNotFoundError
            When none was promoted yet.
        """
        champions = {name: self.champion(name) for name in self.names()}
        promoted = {name: found.since for name, found in champions.items() if found is not None}
        if not promoted:
            raise ModelNotFoundError(
                f"there is no trained model in {self.directory}",
                "a model",
                "train one: surfalign learn train --slabs FILE --model NAME",
            )

        def rank(name: str) -> tuple[bool, bool, str]:
            card = self.card(name)
            return card.of_levels, not card.of_weak_labels, promoted[name]

        return max(promoted, key=rank)

    def versions(self, name: str) -> list[str]:
        """Return the versions of a model, the oldest first."""
        folder = self._model(name) / "versions"
        if not folder.is_dir():
            return []
        return sorted(p.name for p in folder.iterdir() if (p / CARD).is_file() and p.name[0] != ".")

    def champion(self, name: str) -> Champion | None:
        """Return which version predicts; None where none was promoted yet.

        Raises
        ------
        DamagedFileError
            When somebody edited the file.
        """
        path = self._model(name) / CHAMPION
        try:
            return Champion(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise DamagedFileError(
                f"{path} cannot be read: {error}",
                "a file that surfalign wrote",
                f"name a version again: surfalign learn rollback {name} --to VERSION",
            ) from error

    def card(self, name: str, version: str | None = None) -> ModelCard:
        """Return the card of a version; of the champion without one.

        Raises
        ------
        ModelNotFoundError
            When there is no such model or version.
        ModelVersionError
            When another version of the format wrote it.
        DamagedFileError
            When it cannot be read.
        """
        path = self._version(name, version) / CARD
        try:
            plain = json.loads(path.read_text())
            found = plain["card_version"]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise _damaged_card(path, f"cannot be read: {error}") from error
        fields = set(ModelCard.__dataclass_fields__)
        if found != CARD_VERSION or not fields - _LATER_FIELDS <= set(plain) <= fields:
            raise ModelVersionError(
                f"{path} is a card of format {found}",
                f"format {CARD_VERSION}",
                "train the model again, or use the version of surfalign that the card names",
            )
        _require_types(plain, path)
        return ModelCard(**plain | {"formulas": tuple(plain.get("formulas", ()))})

    def load(self, name: str, version: str | None = None) -> tuple[Ensemble, ModelCard]:
        """Load a version; the champion without one.

        Raises
        ------
        ModelNotFoundError
            When there is no such model or version.
        ModelVersionError
            When another version of the code wrote it.
        DamagedFileError
            When a file is truncated or was changed.
        """
        card = self.card(name, version)
        path = self._version(name, card.version) / WEIGHTS
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise DamagedFileError(
                f"{path} cannot be read: {error.strerror}", "the weights of the card beside it"
            ) from error
        if digest != card.weights_sha256:
            raise DamagedFileError(
                f"{path} is not the file that its card describes",
                f"SHA-256 {card.weights_sha256[:12]}..., found {digest[:12]}...",
                "go back to an earlier version: surfalign learn rollback",
            )
        parts, tensors = read_parts(path)
        return Ensemble.restore(parts, tensors), card

    def add(self, ensemble: Ensemble, card: ModelCard) -> ModelCard:
        """Store a new version; it is not the champion yet. Return its card with its version.

        The version, the name and the hash of the weights are filled in here.
        """
        check_name(card.name)
        with self._locked(card.name):
            versions = self._model(card.name) / "versions"
            number = 1 + max((int(v.split("-")[0]) for v in self.versions(card.name)), default=0)
            version = f"{number:04d}-{card.dataset['digest'][:8]}"
            unfinished = versions / f".{version}"
            for left in versions.glob(".*"):  # what a killed process left
                shutil.rmtree(left, ignore_errors=True)
            unfinished.mkdir()
            write_parts(unfinished / WEIGHTS, ensemble.metadata(), ensemble.tensors())
            digest = hashlib.sha256((unfinished / WEIGHTS).read_bytes()).hexdigest()
            whole = ModelCard(**asdict(card) | {"version": version, "weights_sha256": digest})
            write_whole(unfinished / CARD, _json(asdict(whole)), sync=True)
            unfinished.rename(versions / version)
            sync_folder(versions)
        return whole

    def promote(self, name: str, version: str) -> Champion:
        """Make a version the champion, after making sure that it loads."""
        self.load(name, version)
        with self._locked(name):
            before = self.champion(name)
            if before is not None and before.version == version:
                return before
            previous = [*before.previous, before.version] if before else []
            return self._set_champion(name, Champion(version, previous, _now()))

    def rollback(self, name: str, to: str | None = None) -> Champion:
        """Go back to the champion before, or to any version.

        Raises
        ------
        ModelNotFoundError
            When there is nothing to go back to.
        """
        known = self.versions(name)
        if to is not None or not known:  # no folder is made for a name that was mistyped
            version = self._version(name, to).name
            self.load(name, version)
            with self._locked(name):
                try:
                    before = self.champion(name)
                except DamagedFileError:
                    before = None
                previous = [v for v in before.previous if v != version] if before else []
                return self._set_champion(name, Champion(version, previous, _now()))
        with self._locked(name):
            now = self.champion(name)
            if now is None or not now.previous:
                raise ModelNotFoundError(
                    f"{name} has no earlier champion",
                    "a model that was promoted at least twice",
                    f"name a version: surfalign learn rollback {name} --to VERSION "
                    f"(there are {', '.join(known)})",
                )
            self.load(name, now.previous[-1])
            return self._set_champion(name, Champion(now.previous[-1], now.previous[:-1], _now()))

    def report_folder(self, name: str) -> Path:
        """Return the folder of the reports of a model."""
        return self._model(name) / "reports"

    def data_folder(self, name: str) -> Path:
        """Return the folder of the data sets that versions of a model were trained on.

        Raises
        ------
        ConfigurationError
            When the name cannot be that of a model.
        """
        check_name(name)
        return self._model(name) / "data"

    def _set_champion(self, name: str, champion: Champion) -> Champion:
        write_whole(self._model(name) / CHAMPION, _json(asdict(champion)), sync=True)
        return champion

    def _model(self, name: str) -> Path:
        return self.directory / name

    def _version(self, name: str, version: str | None) -> Path:
        known = self.versions(name)
        if not known:
            raise ModelNotFoundError(
                f"there is no model {name!r} in {self.directory}",
                f"one of {', '.join(self.names()) or 'none, the registry is empty'}",
                "train one: surfalign learn train --model NAME",
            )
        if version is None:
            champion = self.champion(name)
            if champion is None:
                raise ModelNotFoundError(
                    f"{name} has no champion yet",
                    f"a version: {', '.join(known)}",
                    f"choose one: surfalign learn rollback {name} --to {known[-1]}",
                )
            version = champion.version
        matches = [v for v in known if v == version or v.startswith(f"{version}-")]
        if len(matches) != 1:
            raise ModelNotFoundError(
                f"{name} has no version {version!r}", f"one of {', '.join(known)}"
            )
        return self._model(name) / "versions" / matches[0]

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Keep other processes from writing to the same model."""
        from filelock import FileLock, Timeout

        folder = self._model(name)
        (folder / "versions").mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / ".lock", timeout=LOCK_TIMEOUT):
                yield
        except Timeout as error:
            raise ConfigurationError(
                f"another process writes to the model {name} in {self.directory}",
                "one at a time",
                "try again when it has ended",
            ) from error


def code_versions() -> dict[str, str]:
    """Return the versions of surfalign and of the libraries that shape weights."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"surfalign": __version__}
    for package in ("numpy", "scikit-learn", "torch", "pymatgen"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # only the kinds that need it need it
            continue
    return found


def _require_types(plain: dict[str, Any], path: Path) -> None:
    """Refuse a card of which a field is of another kind than surfalign writes."""
    for key, value in plain.items():
        expected = _JSON_TYPES[ModelCard.__annotations__[key].split("[")[0]]
        inner = value.values() if key == "metrics" and isinstance(value, dict) else ()
        if not isinstance(value, expected) or not all(isinstance(m, dict) for m in inner):
            raise _damaged_card(path, f"holds {value!r:.40} as {key}")


def _damaged_card(path: Path, why: str) -> DamagedFileError:
    version, name = path.parent.name, path.parent.parent.parent.name
    return DamagedFileError(
        f"{path} {why}",
        "a card that surfalign wrote",
        f"take the card of version {version} from a backup, or remove the folder {path.parent}; if {name} predicted with it: "
        f"surfalign learn rollback {name} --to VERSION",
    )


def is_model_name(name: str) -> bool:
    """Return whether a model, and its folder, can have a name."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> None:
    """Refuse what cannot name a model.

    Raises
    ------
    ConfigurationError
        Says what a name may be.
    """
    if not is_model_name(name):
        raise ConfigurationError(
            f"{name!r} is no name for a model",
            NAMES,
            "choose another name",
        )


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
