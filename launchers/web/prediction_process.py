"""Predictions in a process of their own, which can be ended: what is sent here may be anything.

The process starts with the first prediction and stays, so that the libraries of the learner are loaded once and
never into the server. A crystal that takes too long, or that breaks the process, costs its sender an error; the
next one gets a new process.
"""

from __future__ import annotations

import math
import multiprocessing
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from multiprocessing.connection import Connection
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pymatgen.core import Structure

from surfalign.crystals.library import LibraryEntry, find_entry
from surfalign.errors import (
    InvalidStructureError,
    SurfalignError,
    TimeLimitError,
    UnknownMaterialError,
)

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from surfalign.crystals.crystal import Crystal
    from surfalign.ml.data.records import SurfaceRecord
    from surfalign.ml.models.prediction import PredictedSurface

#: Longest time of one prediction, that of loading the learner included (s).
TIME_LIMIT = 120.0
#: Most atoms of a primitive cell: larger ones take longer than people wait at a page.
MOST_ATOMS = 120
#: Predictions of slabs of the store that the process remembers, of some kB each.
MOST_REMEMBERED = 5000
#: Model, name and content of a slab to its prediction; in the process alone.
_PREDICTED: dict[tuple[str, str, str], dict[str, Any]] = {}
#: Groups of atoms that are named of those a model looks at.
MOST_ATTENDED = 6
#: Largest text of a crystal (characters).
LARGEST_TEXT = 1_000_000


Result_co = TypeVar("Result_co", covariant=True)


class Asked(Protocol[Result_co]):
    """A question to the process; it and its answer are sent from one to the other."""

    def check(self) -> None:
        """Raise what is wrong with the question; called before the process is started."""

    def answered(self) -> Result_co:
        """Return the answer; called in the process."""


@dataclass(frozen=True)
class Question:
    """What is to be predicted.

    Parameters
    ----------
    name
        Of a crystal of the library; empty where a text is given. Never a path or an address.
    text
        A CIF, POSCAR or pymatgen JSON file.
    slabs
        Unrelaxed slabs of the store, each its name and pymatgen's dictionary; no others are predicted then.
    max_index
        Largest Miller index.
    model
        Name of the model; None for the one promoted last, or the one that comes with surfalign.
    own_models
        Whether one's own models may answer, which know all results; else the one that comes with surfalign.
    """

    name: str = ""
    text: str = ""
    slabs: tuple[tuple[str, dict[str, Any]], ...] = ()
    max_index: int = 1
    model: str | None = None
    own_models: bool = False

    def check(self) -> None:
        """Refuse a name that nobody knows."""
        if not self.slabs and not self.text.strip():
            entry_of(self.name)

    def answered(self) -> Answer:
        """Return the predictions."""
        return predicted(self)


@dataclass(frozen=True)
class Answer:
    """What the model says.

    Attributes
    ----------
    crystal
        Formula and space group of the crystal that was understood.
    notes
        What was unusual about it.
    model, fidelity
        Which model, and what it predicts.
    surfaces
        The predictions as plain JSON values; levels in eV.
    """

    crystal: str
    notes: list[str]
    model: str
    fidelity: str
    surfaces: list[dict[str, Any]]


class PredictionProcess:
    """Asks the process, starts it where necessary, and ends it where it takes too long.

    Parameters
    ----------
    time_limit
        Longest wait for one answer (s).
    """

    def __init__(self, time_limit: float = TIME_LIMIT) -> None:
        self._time_limit = time_limit
        self._lock = threading.Lock()
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    def ask(self, question: Asked[Result_co]) -> Result_co:
        """Return the answer to a question; one is answered at a time.

        Raises
        ------
        TimeLimitError
            When the answer takes too long, this question's wait for earlier ones included.
        SurfalignError
            Whatever is wrong with the crystal or the model.
        """
        question.check()
        if not self._lock.acquire(timeout=self._time_limit):
            raise _too_slow(self._time_limit)
        try:
            connection = self._running()
            connection.send(question)
            if not connection.poll(self._time_limit):
                self._end()
                raise _too_slow(self._time_limit)
            answer = connection.recv()
        except (EOFError, ConnectionError) as error:
            self._end()
            raise InvalidStructureError(
                "the prediction of this crystal ended its process",
                f"a crystal of at most {MOST_ATOMS} atoms in the primitive cell",
                "look at the structure; `surfalign learn predict FILE` shows where it ends",
            ) from error
        finally:
            self._lock.release()
        if isinstance(answer, SurfalignError):
            raise answer
        made: Result_co = answer
        return made

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _running(self) -> Connection:
        if self._connection is None or self._process is None or not self._process.is_alive():
            self._end()
            # Not forked: the server has threads, and a child that inherits their locks may wait forever.
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
        return self._connection

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None


def _too_slow(limit: float) -> TimeLimitError:
    return TimeLimitError(
        f"the prediction took longer than {limit:g} s",
        "a smaller crystal, or a smaller largest index",
        "predict it on the command line: surfalign learn predict FILE",
    )


def _serve(connection: Connection) -> None:
    """Answer questions until the server is gone: then there is nobody to read from or to write to."""
    with suppress(EOFError, ConnectionError, KeyboardInterrupt):
        while True:
            connection.send(_answer(connection.recv()))


def _answer(question: Asked[object]) -> object:
    try:
        return question.answered()
    except SurfalignError as error:
        # Without its cause, which may hold what cannot be sent.
        return type(error)(error.found, error.expected, error.remedy)
    except Exception as error:  # noqa: BLE001  # of libraries, for crystals that nobody foresaw
        return InvalidStructureError(
            f"the surfaces of this crystal cannot be predicted ({type(error).__name__})",
            "a crystal with nonpolar surfaces",
            "`surfalign --full-trace learn predict FILE` shows where it fails",
        )


def predicted(question: Question) -> Answer:
    """Predict the surfaces of a crystal, in this process; errors as for :meth:`PredictionProcess.ask`."""
    from surfalign.ml.data.from_crystal import crystal_surfaces
    from surfalign.ml.models.prediction import predict_records
    from surfalign.ml.models.shipped_model import NAME, own_or_shipped, shipped_registry

    registry, model = (
        own_or_shipped(question.model) if question.own_models else (shipped_registry(), NAME)
    )
    card = registry.card(model)

    def plain(records: list[SurfaceRecord]) -> list[dict[str, Any]]:
        return [_plain(one) for one in predict_records(records, registry, model, card.version)]

    if question.slabs:
        said, notes = question.name, list[str]()
        owner = "own" if question.own_models else "shipped"
        surfaces = _recalled(f"{owner} {card.name} {card.version}", question.slabs, plain)
    else:
        crystal = crystal_of(question)
        said, notes = f"{crystal.formula}, {crystal.space_group_symbol}", list(crystal.notes)
        surfaces = plain(crystal_surfaces(crystal, (), question.max_index))
    return Answer(said, notes, f"{card.name} {card.version}", card.fidelity, surfaces)


def _recalled(
    model: str,
    slabs: Sequence[tuple[str, dict[str, Any]]],
    plain: Callable[[list[SurfaceRecord]], list[dict[str, Any]]],
) -> list[dict[str, Any]]:
    """Return the predictions of slabs; those that this model has predicted before are remembered."""
    from surfalign.ml.data.records import surface_record

    keys = [(model, name, sha256(repr(slab).encode()).hexdigest()) for name, slab in slabs]
    new = {key: slab for key, slab in zip(keys, slabs, strict=True) if key not in _PREDICTED}
    if new:
        records = [
            surface_record(name, Structure.from_dict(slab), "store") for name, slab in new.values()
        ]
        _PREDICTED.update(zip(new, plain(records), strict=True))
    found = [_PREDICTED[key] for key in keys]
    while len(_PREDICTED) > MOST_REMEMBERED:
        del _PREDICTED[next(iter(_PREDICTED))]
    return found


def crystal_of(question: Question) -> Crystal:
    """Return the crystal that is meant.

    A name is looked up in the library alone: as a path it would read files of this machine, as an address it
    would make this machine ask others.

    Raises
    ------
    UnknownMaterialError
        When the library has no such name.
    InvalidStructureError
        When the text is no crystal, or too large a one.
    """
    from surfalign.crystals.sources import library_crystal, load_crystal

    if question.text.strip():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / _file_name(question.text)
            path.write_text(question.text)
            try:
                crystal = load_crystal(path)
            except SurfalignError as error:
                # The path of our copy says nothing to whom it is shown.
                found = error.found.replace(str(path), "the text")
                raise type(error)(found, error.expected, error.remedy) from error
    else:
        entry = entry_of(question.name)
        crystal = library_crystal(entry, asked=question.name)
    if len(crystal.structure) > MOST_ATOMS:
        raise InvalidStructureError(
            f"the primitive cell has {len(crystal.structure)} atoms",
            f"at most {MOST_ATOMS} at a page",
            "predict it on the command line: surfalign learn predict FILE",
        )
    return crystal


def entry_of(name: str) -> LibraryEntry:
    """Return the entry of the library that a name means.

    Raises
    ------
    UnknownMaterialError
        When the library has no such name.
    """
    entry = find_entry(name.strip())
    if entry is None:
        raise UnknownMaterialError(
            f"{name[:60]!r} is not in the library",
            "a name such as MgO or TiO2-rutile, or the text of a structure file",
            "list the names with `surfalign crystals`",
        )
    return entry


def _file_name(text: str) -> str:
    """Return a name that tells the reader which format a text has."""
    start = text.lstrip()[:1]
    if start in ("{", "["):
        return "crystal.json"
    lowered = text.lower()
    is_cif = "_cell_length_a" in lowered or lowered.lstrip().startswith("data_")
    return "crystal.cif" if is_cif else "POSCAR"


def _plain(prediction: PredictedSurface) -> dict[str, Any]:
    """Return a prediction without numbers that JSON cannot hold, and which atoms its IP rests on."""
    record = prediction.as_dict()
    score = record["domain_score"]
    if isinstance(score, float) and not math.isfinite(score):
        record |= {"domain_score": None}
    weights = prediction.estimate.attention.get("ionization_potential", ())
    return record | {"attention": attended(prediction.record.structure, list(weights))}


def attended(slab: Structure, weights: Sequence[float]) -> list[dict[str, Any]]:
    """Return the atoms that a model looks at most, those of one element at one depth together.

    Parameters
    ----------
    slab
        Of the prediction, the normal along z.
    weights
        Of each atom, shape (n_sites,); empty for a model that does not look at atoms.

    Returns
    -------
    list
        Up to :data:`MOST_ATTENDED` with ``element``, ``depth`` below the nearer face (angstrom), ``atoms`` and
        ``weight``, which sums to 1 over all; the largest weight first.
    """
    heights = [float(z) for z in slab.cart_coords[:, 2]]
    groups: dict[tuple[str, float], list[float]] = {}
    for site, height, weight in zip(slab, heights, weights, strict=False):
        depth = abs(round(min(height - min(heights), max(heights) - height), 1))
        groups.setdefault((site.specie.symbol, depth), []).append(float(weight))
    found: list[dict[str, Any]] = [
        {"element": element, "depth": depth, "atoms": len(shares), "weight": sum(shares)}
        for (element, depth), shares in groups.items()
    ]
    return sorted(found, key=itemgetter("weight"), reverse=True)[:MOST_ATTENDED]
