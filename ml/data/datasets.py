"""Frozen data sets: one file that a training run can be traced to.

The file is gzipped JSON, one object a line: a header, then the surfaces, then the labels of sets. The
digest in the header is the SHA-256 of the lines below it, so that a truncated or edited file is refused
and a model's card can name its data. Two data sets of the same content have the same digest.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Element, Lattice, Structure

from surfalign.errors import (
    DamagedFileError,
    EmptyDatasetError,
    LearnerError,
    ModelVersionError,
    UnknownElementError,
)
from surfalign.files import require_file, write_whole
from surfalign.ml.data.label_quality import refuse
from surfalign.ml.data.records import (
    Fidelity,
    Label,
    SetLabel,
    Statistic,
    SurfaceRecord,
    check_units,
)
from surfalign.ml.properties.consistency import check_declared, check_levels, same_declarations
from surfalign.ml.properties.property import KNOWN, Level, Property

FORMAT = "surfalign-dataset"
FORMAT_VERSION = 1
#: What a file of ours may raise when it is truncated or is none.
_READ_ERRORS = (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError)


@dataclass(frozen=True, kw_only=True)
class FrozenDataset:
    """Surfaces with labels, and how they came together.

    Attributes
    ----------
    name
        Human name.
    description
        What it was made from.
    records
        The surfaces, sorted by name.
    set_labels
        Labels of sets of these surfaces.
    fidelities
        What the fidelity keys of the labels mean.
    left_out
        Reason to the names of what the sources held and the data set does not.
    refused
        Rule to the labels that it refused; see :mod:`~.label_quality`.
    lowered
        Reason to the names of what counts less for it.
    declared
        Properties that somebody declared, by their names; the others are those that surfalign knows.
    """

    name: str
    description: str = ""
    records: tuple[SurfaceRecord, ...]
    set_labels: tuple[SetLabel, ...] = ()
    fidelities: Mapping[str, Fidelity] = field(default_factory=dict)
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)
    refused: Mapping[str, Sequence[str]] = field(default_factory=dict)
    lowered: Mapping[str, Sequence[str]] = field(default_factory=dict)
    declared: Mapping[str, Property] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content; name, description, and what was left out and why, do not."""
        return _digest(_lines(self))

    @property
    def units(self) -> dict[str, str]:
        """Unit of each labelled property."""
        return check_units(self.labels())

    @property
    def level(self) -> Level:
        """Whether the structures are slabs or crystals."""
        return self.records[0].level if self.records else Level.SLAB

    def property_of(self, name: str) -> Property:
        """Return what a labelled property is: as declared, else as surfalign knows it."""
        unit = self.units.get(name, "1")
        known = KNOWN.get(name, Property(name=name, unit=unit))
        return self.declared.get(name, replace(known, level=self.level))

    @property
    def elements(self) -> frozenset[str]:
        """Symbols of all elements."""
        return frozenset(s for r in self.records for s in r.chemical_system.split("-"))

    def labels(self) -> Iterator[Label]:
        """Yield all labels, of surfaces and of sets."""
        for record in self.records:
            yield from record.labels
        yield from self.set_labels

    def summary(self) -> dict[str, Any]:
        """Return what a card or a report says of the data set."""
        return {
            "name": self.name,
            "digest": self.digest,
            "surfaces": len(self.records),
            "labelled_surfaces": sum(bool(record.labels) for record in self.records),
            "formulas": len({record.formula for record in self.records}),
            "set_labels": len(self.set_labels),
            "labels": dict(sorted(Counter(label.name for label in self.labels()).items())),
            "weights": self._weights(),
            "units": self.units,
            "level": self.level.value,
            "properties": [one.as_dict() for _, one in sorted(self.declared.items())],
            "fidelities": {key: asdict(value) for key, value in sorted(self.fidelities.items())},
            "left_out": _counts(self.left_out),
            "refused_labels": _counts(self.refused),
            "lowered": _counts(self.lowered),
        }

    def _weights(self) -> dict[str, float]:
        """Return the sum of the weights of each property's labels."""
        sums: dict[str, float] = {}
        for label in self.labels():
            sums[label.name] = sums.get(label.name, 0.0) + label.weight
        return {name: round(total, 2) for name, total in sorted(sums.items())}


def freeze(
    name: str,
    records: Sequence[SurfaceRecord],
    *,
    set_labels: Sequence[SetLabel] = (),
    fidelities: Sequence[Fidelity] = (),
    left_out: Mapping[str, Sequence[str]] | None = None,
    refused: Mapping[str, Sequence[str]] | None = None,
    lowered: Mapping[str, Sequence[str]] | None = None,
    declared: Sequence[Property] = (),
    description: str = "",
) -> FrozenDataset:
    """Check records and make a data set of them; labels that cannot be are refused.

    Raises
    ------
    EmptyDatasetError
        When no surface has a label.
    MixedUnitsError
        When one property comes in two units.
    MixedLevelsError
        When slabs and crystals stand together, or a property is declared for the other of them.
    UnknownElementError
        When a structure holds something that is no element.
    LearnerError
        When two surfaces have one name, or a set or a fidelity is not there.
    """
    sane, sane_sets, now_refused = refuse(records, set_labels)
    dataset = FrozenDataset(
        name=name,
        description=description,
        records=tuple(sorted(sane, key=lambda record: record.name)),
        set_labels=tuple(sorted(sane_sets, key=lambda s: (s.name, s.fidelity, s.source))),
        fidelities={fidelity.key: fidelity for fidelity in fidelities},
        left_out=dict(left_out or {}),
        refused=_joined([refused or {}, now_refused]),
        lowered=dict(lowered or {}),
        declared={one.name: one for one in declared},
    )
    _check(dataset)
    return dataset


def merge(name: str, datasets: Sequence[FrozenDataset]) -> FrozenDataset:
    """Make one data set of several; a surface that is in two of them with the same content counts once.

    Raises
    ------
    LearnerError
        When two different surfaces have one name, or a property is declared in two ways.
    """
    records: dict[str, SurfaceRecord] = {}
    for record in (record for dataset in datasets for record in dataset.records):
        known = records.setdefault(record.name, record)
        if known is record or known == record:
            continue
        if known.structure != record.structure:
            raise LearnerError(
                f"two different surfaces are named {record.name!r}",
                "one name for one surface",
                "rename one in its source",
            )
        labels = dict.fromkeys([*known.labels, *record.labels])
        records[record.name] = replace(known, labels=tuple(labels))
    return freeze(
        name,
        list(records.values()),
        set_labels=list(dict.fromkeys(s for d in datasets for s in d.set_labels)),
        fidelities=[f for d in datasets for f in d.fidelities.values()],
        left_out=_joined([dataset.left_out for dataset in datasets]),
        refused=_joined([dataset.refused for dataset in datasets]),
        lowered=_joined([dataset.lowered for dataset in datasets]),
        declared=same_declarations(d.declared for d in datasets),
        description="; ".join(d.description for d in datasets if d.description),
    )


def write_dataset(dataset: FrozenDataset, path: Path) -> None:
    """Write a data set; the file takes its name when it is complete.

    Raises
    ------
    ConfigurationError
        When the file cannot be written.
    """
    lines = list(_lines(dataset))
    header = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "name": dataset.name,
        "description": dataset.description,
        "lines": len(lines),
        "digest": _digest(lines),
        "units": dataset.units,
        "left_out": {reason: list(names) for reason, names in sorted(dataset.left_out.items())},
        "refused": {rule: list(labels) for rule, labels in sorted(dataset.refused.items())},
        "lowered": {reason: list(names) for reason, names in sorted(dataset.lowered.items())},
    }
    text = "\n".join([_canonical(header), *lines, ""])
    with suppress(OSError):  # the next line names the file
        path.parent.mkdir(parents=True, exist_ok=True)
    # Without a time stamp the same data set is the same file.
    write_whole(path, gzip.compress(text.encode(), mtime=0))


def is_dataset(path: Path) -> bool:
    """Tell whether a file begins like one of ours; a damaged one still does."""
    try:
        with gzip.open(path) as file:
            return FORMAT.encode() in file.readline()
    except (OSError, EOFError, zlib.error):
        return False


def read_dataset(path: Path) -> FrozenDataset:
    """Read a data set and check it against its digest.

    Raises
    ------
    MissingFileError
        When there is no such file.
    DamagedFileError
        When the file is truncated, was changed, or is no data set.
    ModelVersionError
        When another version of the format wrote it.
    LearnerError
        When its content is not sound; see :func:`freeze`.
    """
    require_file(path)
    try:
        header, *lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        head = json.loads(header)
        version = head["version"] if head["format"] == FORMAT else None
    except _READ_ERRORS as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error
    if version != FORMAT_VERSION:
        raise ModelVersionError(
            f"{path} is a data set of format {version}",
            f"format {FORMAT_VERSION}",
            "freeze it again with this version of surfalign",
        )
    if len(lines) != head["lines"] or _digest(lines) != head["digest"]:
        raise _damaged(path, f"{len(lines)} of {head['lines']} lines, and another digest")
    records: list[SurfaceRecord] = []
    set_labels: list[SetLabel] = []
    fidelities: dict[str, Fidelity] = {}
    declared: dict[str, Property] = {}
    # One line at a time: parsed, a slab takes several times the memory of its text.
    for line in lines:
        for kind, plain in json.loads(line).items():
            if kind == "surface":
                records.append(_record(plain))
            elif kind == "set":
                set_labels.append(_set_label(plain))
            elif kind == "fidelity":
                fidelity = Fidelity(**plain)
                fidelities[fidelity.key] = fidelity
            elif kind == "property":
                declared[plain["name"]] = Property.from_dict(plain)
    dataset = FrozenDataset(
        name=head["name"],
        description=head["description"],
        records=tuple(records),
        set_labels=tuple(set_labels),
        fidelities=fidelities,
        left_out=head["left_out"],
        # Files of 0.2 do not say.
        refused=head.get("refused", {}),
        lowered=head.get("lowered", {}),
        declared=declared,
    )
    _check(dataset)
    return dataset


def _check(dataset: FrozenDataset) -> None:
    if not any(True for _ in dataset.labels()):
        lost = sum(map(len, dataset.left_out.values()))
        raise EmptyDatasetError(
            f"the data set {dataset.name!r} has no label ({len(dataset.records)} surfaces, "
            f"{lost} left out: {', '.join(sorted(dataset.left_out)) or 'none'})",
            "at least one surface with a label",
            "look at the source and at what was left out",
        )
    names = Counter(record.name for record in dataset.records)
    twice = [name for name, times in names.items() if times > 1]
    missing = {m for s in dataset.set_labels for m in s.members if m not in names}
    unknown = {l.fidelity for l in dataset.labels()} - set(dataset.fidelities)
    for found, what in (
        (twice, "two surfaces are named"),
        (missing, "sets name surfaces that are not there:"),
        (unknown, "labels name fidelities that are not described:"),
    ):
        if found:
            raise LearnerError(
                f"{what} {', '.join(map(repr, sorted(found)[:5]))}",
                "unique names, each described",
                "mend the source of the data set",
            )
    units = check_units(dataset.labels())
    check_levels(Counter(record.level for record in dataset.records))
    check_declared(dataset.declared.values(), dataset.level, units)
    for symbol in dataset.elements:
        if not Element.is_valid_symbol(symbol):
            raise UnknownElementError(f"{symbol!r} is no element", "chemical symbols")


def _lines(dataset: FrozenDataset) -> Iterator[str]:
    for _, fidelity in sorted(dataset.fidelities.items()):
        yield _canonical({"fidelity": asdict(fidelity)})
    for _, one in sorted(dataset.declared.items()):
        yield _canonical({"property": one.as_dict()})
    for record in dataset.records:
        yield _canonical({"surface": _plain_record(record)})
    for label in dataset.set_labels:
        yield _canonical({"set": asdict(label)})


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _digest(lines: Iterable[str]) -> str:
    """Return the hash of the lines, joined by line feeds."""
    digest = hashlib.sha256()
    for number, line in enumerate(lines):
        digest.update(f"\n{line}".encode() if number else line.encode())
    return digest.hexdigest()


def _plain_record(record: SurfaceRecord) -> dict[str, Any]:
    structure = record.structure
    # Slabs are written as they were before there were other levels: the digest of such data stays.
    level = {} if record.level is Level.SLAB else {"level": record.level.value}
    return level | {
        "name": record.name,
        "source": record.source,
        "miller_index": record.miller_index,
        "space_group_number": record.space_group_number,
        "lattice": structure.lattice.matrix.tolist(),
        "species": [element_symbol(site) for site in structure],
        "coordinates": structure.frac_coords.tolist(),
        "labels": [asdict(label) for label in record.labels],
    }


def element_symbol(site: Any) -> str:
    """Return the symbol of a site's element, without oxidation state.

    Raises
    ------
    UnknownElementError
        When the site holds no single element.
    """
    species = list(site.species.element_composition)
    if len(species) != 1 or not Element.is_valid_symbol(species[0].symbol):
        raise UnknownElementError(
            f"a site holds {site.species_string!r}", "one chemical element", "mend the structure"
        )
    return str(species[0].symbol)


def _record(plain: dict[str, Any]) -> SurfaceRecord:
    for symbol in set(plain["species"]):
        if not Element.is_valid_symbol(symbol):
            raise UnknownElementError(
                f"{plain['name']} holds {symbol!r}", "chemical symbols", "mend the structure"
            )
    structure = Structure(
        Lattice(np.array(plain["lattice"])), plain["species"], np.array(plain["coordinates"])
    )
    composition = structure.composition
    index = plain["miller_index"]
    return SurfaceRecord(
        name=plain["name"],
        formula=composition.reduced_formula,
        chemical_system=composition.chemical_system,
        structure=structure,
        source=plain["source"],
        labels=tuple(Label(**label) for label in plain["labels"]),
        miller_index=None if index is None else (index[0], index[1], index[2]),
        space_group_number=plain["space_group_number"],
        level=Level(plain.get("level", Level.SLAB)),
    )


def _set_label(plain: dict[str, Any]) -> SetLabel:
    statistic = Statistic(plain["statistic"])
    return SetLabel(**plain | {"members": tuple(plain["members"]), "statistic": statistic})


def _joined(counts: Sequence[Mapping[str, Sequence[str]]]) -> dict[str, list[str]]:
    joined: dict[str, list[str]] = {}
    for reasons in counts:
        for reason, names in reasons.items():
            joined.setdefault(reason, []).extend(names)
    return joined


def _counts(reasons: Mapping[str, Sequence[str]]) -> dict[str, int]:
    return {reason: len(names) for reason, names in sorted(reasons.items())}


def _damaged(path: Path, why: str) -> DamagedFileError:
    return DamagedFileError(
        f"{path} is no whole data set ({why})",
        "a file as `surfalign learn freeze` writes it",
        "copy it again, or freeze it again",
    )
