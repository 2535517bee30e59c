"""Files of slabs with levels, such as those made from JARVIS' surface database.

A file is a JSON list (also gzipped) with one object a slab: ``name``, ``initial`` (pymatgen's dictionary
of the unrelaxed slab), and, where it is to be learned from, labels. A label is a number under one of the
names below, whose unit is in the name, or a number under a property's own name with its unit under
``units`` (of the object): ``{"ionization_potential": 7.1, "units": {"ionization_potential": "eV"}}``. The
field in the vacuum, ``vac_slope`` in eV/angstrom, lowers the weight of the levels where it is given.

How the labels came about, an object says by ``functional``, ``method`` and ``origin``; one with a number of JARVIS
(``jid``) need not. Of all others nothing is known, and their labels say that.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pymatgen.core import Structure

from surfalign.errors import (
    DamagedFileError,
    EmptyDatasetError,
    InvalidLabelError,
    LearnerError,
    MixedLevelsError,
    SurfaceError,
    UnknownElementError,
)
from surfalign.files import require_file
from surfalign.ml.data.datasets import FrozenDataset, element_symbol, freeze
from surfalign.ml.data.label_quality import VACUUM_FIELD, vacuum_field_error, weighted
from surfalign.ml.data.records import (
    LABEL_UNITS,
    Fidelity,
    Label,
    SurfaceRecord,
    convert,
    surface_record,
)
from surfalign.ml.descriptors.slab_geometry import MINIMUM_VACUUM, vacuum
from surfalign.physics.lattice.orientations import parse_miller_index
from surfalign.streamed_json import iterate_list

#: Names of labels in such files: property and unit.
FILE_LABELS = {
    "ip_ev": ("ionization_potential", "eV"),
    "ea_ev": ("electron_affinity", "eV"),
    "slab_gap_ev": ("band_gap", "eV"),
    "workfunction_ev": ("work_function", "eV"),
    "surf_en_j_m2": ("surface_energy", "J/m^2"),
}
#: JARVIS' surface database; the levels are those of the relaxed slab itself.
JARVIS = Fidelity(functional="optb88vdw", method="vasp, relaxed slab", origin="jarvis")
#: Slabs of which the file does not say where they come from.
UNSTATED = Fidelity(functional="unstated", method="unstated", origin="slab-file")

INSANE_VACUUM = "vacuum level not sane (passes_filter = 0)"
SMALL_GAP = "gap too small"
NO_LABEL = "no label"


@dataclass(frozen=True)
class SlabFile:
    """What a file of slabs holds.

    Attributes
    ----------
    records
        Slabs in the order of the file.
    fidelities
        How their labels came about.
    left_out
        Reason to the names of slabs that were filtered out.
    lowered
        Reason to the names of slabs whose labels count less.
    """

    records: list[SurfaceRecord]
    fidelities: list[Fidelity]
    left_out: dict[str, list[str]] = field(default_factory=dict)
    lowered: dict[str, list[str]] = field(default_factory=dict)


def read_slab_file(path: Path) -> list[SurfaceRecord]:
    """Read all slabs of a file; labels where there are any.

    Raises
    ------
    MissingFileError
        When there is no such file.
    DamagedFileError
        When the file is truncated or no JSON list of objects.
    EmptyDatasetError
        When the list is empty.
    UnknownElementError
        When a structure holds something that is no element.
    InvalidLabelError
        When a label is not a finite number.
    MixedUnitsError
        When a unit is unknown.
    MixedLevelsError
        When a structure is a crystal without a vacuum.
    LearnerError
        When a slab has no name or no structure, or two have one name.
    """
    return [
        _record(entry, number, _fidelity(entry, number))
        for number, entry in enumerate(_entries(path), 1)
    ]


def read_training_file(path: Path, *, min_gap: float | None = None) -> SlabFile:
    """Read the slabs of a file that are fit to be learned from.

    Parameters
    ----------
    path
        The file.
    min_gap
        Slabs with a smaller gap are left out, eV; None keeps all. Labels of near-metals and levels of slabs
        with a field in the vacuum have a lower weight; see :mod:`~.label_quality`.

    Raises
    ------
    LearnerError
        As :func:`read_slab_file`.
    """
    kept, left_out, lowered = [], defaultdict(list), defaultdict(list)
    fidelities: dict[str, Fidelity] = {}
    for number, entry in enumerate(_entries(path), 1):
        fidelity = _fidelity(entry, number)
        record = _record(entry, number, fidelity)
        reason = _reason_to_leave_out(entry, record, min_gap)
        if reason:
            left_out[reason].append(record.name)
            continue
        slope = entry.get("vac_slope")
        errors = {}
        if slope is not None:
            slope = _number(slope, f"vac_slope of {record.name}")
            errors[VACUUM_FIELD] = vacuum_field_error(slope, record.structure)
        labels, reasons = weighted(record.labels, errors)
        kept.append(replace(record, labels=labels))
        fidelities[fidelity.key] = fidelity
        for reason in reasons:
            lowered[reason].append(record.name)
    return SlabFile(kept, list(fidelities.values()), dict(left_out), dict(lowered))


def freeze_slab_file(path: Path, *, min_gap: float | None = None) -> FrozenDataset:
    """Freeze the slabs of a file; see :func:`read_training_file` and :func:`.datasets.freeze`."""
    content = read_training_file(path, min_gap=min_gap)
    return freeze(
        path.name.split(".")[0],
        content.records,
        fidelities=content.fidelities,
        left_out=content.left_out,
        lowered=content.lowered,
        description=f"slabs of {path.name}" + (f", gap at least {min_gap} eV" if min_gap else ""),
    )


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the entries of a file; a whole list of them would not fit in memory."""
    require_file(path)
    names: set[str] = set()
    empty = True
    for entry in iterate_list(path):
        empty = False
        if not isinstance(entry, dict):
            raise DamagedFileError(f"{path} is no list of objects", "a JSON list of slabs")
        name = entry.get("name")
        if isinstance(name, str):
            if name in names:
                raise LearnerError(f"{path} holds two slabs named {name!r}", "unique names")
            names.add(name)
        yield entry
    if empty:
        raise EmptyDatasetError(f"{path} holds no slab", "at least one", "name another file")


def _fidelity(entry: dict[str, Any], number: int) -> Fidelity:
    """Return how the labels of an entry came about, as far as it says so."""
    stated = {key: entry[key] for key in ("functional", "method", "origin") if key in entry}
    for key, value in stated.items():
        if not isinstance(value, str) or not value.strip():
            raise LearnerError(
                f"entry {number} has {value!r:.40} as {key}",
                "a text",
                "correct it, or leave it out",
            )
    if not stated and str(entry.get("jid")).startswith("JVASP-"):
        return JARVIS
    return replace(UNSTATED, **stated)


def _record(entry: dict[str, Any], number: int, fidelity: Fidelity) -> SurfaceRecord:
    name = entry.get("name")
    if not isinstance(name, str) or not name or "initial" not in entry:
        raise LearnerError(
            f"entry {number} has no {'initial structure' if name else 'name'}",
            "an object with name and initial",
            "mend the file",
        )
    origin = f"jarvis:{entry['jid']}" if "jid" in entry else f"file:{name}"
    return surface_record(
        name,
        _structure(entry["initial"], name),
        origin,
        labels=_labels(entry, name, fidelity),
        miller_index=_miller_index(entry.get("miller", entry.get("miller_index")), name),
    )


def _structure(plain: Any, name: str) -> Structure:
    try:
        structure = Structure.from_dict(plain)
    except ValueError as error:
        # pymatgen has no error of its own for a symbol that is no element.
        if "not a valid" in str(error).lower() or "element" in str(error).lower():
            raise UnknownElementError(
                f"{name} holds an unknown element: {error}",
                "chemical symbols",
                "mend the structure",
            ) from error
        raise LearnerError(
            f"{name} has no readable structure: {error}", "pymatgen's dict"
        ) from error
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise LearnerError(
            f"{name} has no readable structure: {type(error).__name__}: {error}", "pymatgen's dict"
        ) from error
    if not len(structure):
        raise LearnerError(f"{name} has no atoms", "a slab", "mend the file")
    for site in structure:
        element_symbol(site)
    if vacuum(structure.frac_coords, structure.lattice.matrix) == 0.0:
        raise MixedLevelsError(
            f"{name} is a crystal without a vacuum",
            f"slabs with more than {MINIMUM_VACUUM:g} A of vacuum along one lattice vector",
            "leave it out, or give crystals as a table: surfalign learn freeze --table",
        )
    return structure


def _labels(entry: dict[str, Any], name: str, fidelity: Fidelity) -> list[Label]:
    units = entry.get("units", {})
    found: dict[str, tuple[Any, str]] = {}
    for key, (label, unit) in FILE_LABELS.items():
        if entry.get(key) is not None:
            found[label] = (entry[key], unit)
    for label, unit in LABEL_UNITS.items():
        if entry.get(label) is not None:
            found[label] = (entry[label], units.get(label, unit))
    return [
        Label(
            name=label,
            value=convert(_number(value, f"{label} of {name}"), unit, label),
            unit=LABEL_UNITS[label],
            fidelity=fidelity.key,
        )
        for label, (value, unit) in sorted(found.items())
    ]


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidLabelError(
            f"{what} is {value!r}", "a finite number", "leave it out where there is none"
        )
    return float(value)


def _miller_index(given: Any, name: str) -> tuple[int, int, int] | None:
    """Read the orientation, a text or a list; None where the file states none."""
    if given is None:
        return None
    text = " ".join(map(str, given)) if isinstance(given, list) else str(given)
    try:
        return parse_miller_index(text)
    except SurfaceError as error:
        raise LearnerError(f"{name}: {error.found}", error.expected, "correct the file") from error


def _reason_to_leave_out(
    entry: dict[str, Any], record: SurfaceRecord, min_gap: float | None
) -> str | None:
    if not entry.get("passes_filter", 1):
        return INSANE_VACUUM
    if record.label("ionization_potential") is None and record.label("electron_affinity") is None:
        return NO_LABEL
    # A NaN gap fails the comparison and stays.
    if min_gap is not None and record.value("band_gap") < min_gap:
        return SMALL_GAP
    return None
