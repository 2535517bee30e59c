"""Data sets from tables of structures with declared properties."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from pymatgen.core import Composition, Element, Structure

from surfalign.crystals.library import phases_of
from surfalign.errors import (
    LearnerError,
    MissingStructureError,
    MixedLevelsError,
    MixedUnitsError,
    UnknownPropertyError,
)
from surfalign.ml.data.candidate_surfaces import CandidateCrystal
from surfalign.ml.data.datasets import FrozenDataset, element_symbol, freeze
from surfalign.ml.data.records import (
    Label,
    SetLabel,
    Statistic,
    SurfaceRecord,
    surface_record,
)
from surfalign.ml.descriptors.slab_geometry import WIDEST_GAP_OF_A_CRYSTAL, vacuum
from surfalign.ml.properties.atoms import atoms_of, check_one_kind, labelled_atoms, own_structure
from surfalign.ml.properties.declarations import Declarations, Declared
from surfalign.ml.properties.property import Level
from surfalign.ml.properties.rows import Row
from surfalign.ml.properties.tables import read_rows

NO_LABEL = "no number in the columns of the properties"
NO_CRYSTAL = "no crystal of this formula"


def freeze_table(
    path: Path, declarations: Declarations, crystals: Sequence[CandidateCrystal] = ()
) -> FrozenDataset:
    """Freeze the structures of a table with the numbers of the declared properties.

    A row with a formula alone takes the crystal of that formula; where there are several, its numbers belong to
    one of them (``one_of``).

    Parameters
    ----------
    path
        CSV, JSON or extXYZ; see :mod:`.tables`.
    declarations
        What the columns are.
    crystals
        Where the crystals of formulas are looked for; in the built-in library where there are none.

    Raises
    ------
    LearnerError
        Of its many kinds, with the row: a structure is missing, a number is none or beyond its bounds, slabs and
        crystals are mixed, units are mixed or unknown, a column is not there.
    """
    rows = read_rows(path)
    for declared in declarations.properties:
        _check_column(declared, rows, path)
    left_out: dict[str, list[str]] = defaultdict(list)
    records: dict[str, SurfaceRecord] = {}
    set_labels: list[SetLabel] = []
    pools = _by_formula(crystals)
    if declarations.level is Level.ATOM:
        check_one_kind(rows, path)
    for row in rows:
        if declarations.level is Level.ATOM:
            atoms = labelled_atoms(row, declarations)
            for record in atoms:
                _add(records, record)
            if not atoms:
                left_out[NO_LABEL].append(row.name)
            continue
        labels = _labels(row, declarations)
        if not labels:
            left_out[NO_LABEL].append(row.name)
        elif row.structure is not None:
            _add(records, _record(row, row.structure, declarations.level, labels))
        else:
            found = _candidates(row, declarations.level, pools)
            for record in found:
                records.setdefault(record.name, record)
            if not found:
                left_out[NO_CRYSTAL].append(row.formula)
            set_labels += [_set_label(label, found, row) for label in labels if found]
    if not records and left_out[NO_CRYSTAL]:
        raise MissingStructureError(
            f"no crystal of any of the {len(left_out[NO_CRYSTAL])} formulas of {path} is known",
            "structure files beside the formulas, or a folder of crystals",
            "name the folder: --crystals DIR",
        )
    return freeze(
        path.name.split(".")[0],
        list(records.values()),
        set_labels=set_labels,
        fidelities=[declarations.fidelity],
        left_out=left_out,
        declared=[one.property for one in declarations.properties],
        description=f"table {path.name}",
    )


def table_structures(path: Path, level: Level) -> list[SurfaceRecord]:
    """Return the structures of a table, unlabelled, to predict.

    Raises
    ------
    LearnerError
        As :func:`freeze_table`.
    """
    records: dict[str, SurfaceRecord] = {}
    for row in read_rows(path):
        if level is Level.ATOM:
            for record in atoms_of(row):
                _add(records, record)
            continue
        if row.structure is not None:
            _add(records, _record(row, row.structure, level, ()))
            continue
        found = _candidates(row, level, {})
        if not found:
            raise MissingStructureError(
                f"{row.place} has the formula {row.formula} alone",
                "a structure, or a formula of the library",
                "name a structure file",
            )
        for record in found:
            records.setdefault(record.name, record)
    return list(records.values())


def _check_column(declared: Declared, rows: Sequence[Row], path: Path) -> None:
    """Refuse a column that is not there, and one with a unit in some of its rows only."""
    column = declared.column
    of_atoms = declared.property.level is Level.ATOM
    own = [
        row
        for row in rows
        if (row.numbers(column, len(own_structure(row))) if of_atoms else row.number(column))
        is not None
    ]
    if not own:
        columns = dict.fromkeys(name for row in rows for name in row.facts)
        raise UnknownPropertyError(
            f"{path} has no number in a column {column} for {declared.property.name}",
            f"one of its columns: {', '.join(columns)}",
            "name it in the file of properties: column: ...",
        )
    stated = [row.units.get(column) for row in own]
    if None in stated and len(set(stated)) > 1:
        raise MixedUnitsError(
            f"{stated.count(None)} of {len(own)} numbers of {column} in {path} have no unit, the others "
            f"are in {', '.join(sorted({unit for unit in stated if unit}))}",
            "a unit for each number, or for none",
            f"complete the column {column}_unit",
        )


def _labels(row: Row, declarations: Declarations) -> list[Label]:
    labels = []
    for declared in declarations.properties:
        value = row.number(declared.column)
        if value is not None:
            unit = row.units.get(declared.column)
            labels.append(declared.label(value, unit, declarations.fidelity, row.place))
    return labels


def _record(row: Row, structure: Structure, level: Level, labels: Sequence[Label]) -> SurfaceRecord:
    _check_level(structure, level, row.place)
    return surface_record(row.name, structure, f"table:{row.name}", labels=labels, level=level)


def _check_level(structure: Structure, level: Level, place: str) -> None:
    """Refuse a crystal where slabs are expected, and the other way round."""
    for site in structure:
        element_symbol(site)
    gap = vacuum(structure.frac_coords, structure.lattice.matrix)
    if level is Level.SLAB and gap == 0.0:
        raise MixedLevelsError(
            f"{place} is a crystal without a vacuum",
            "a slab, for the properties are declared with level: slab",
            "give slabs, or declare level: crystal",
        )
    if level is Level.CRYSTAL and gap > WIDEST_GAP_OF_A_CRYSTAL:
        raise MixedLevelsError(
            f"{place} is a slab: it has {gap:.1f} A of vacuum",
            "a crystal, for the properties are declared with level: crystal",
            "give crystals, or declare level: slab",
        )


def _by_formula(crystals: Sequence[CandidateCrystal]) -> dict[str, list[CandidateCrystal]]:
    pools: dict[str, list[CandidateCrystal]] = defaultdict(list)
    for crystal in crystals:
        pools[crystal.formula].append(crystal)
    return pools


def _candidates(
    row: Row, level: Level, pools: Mapping[str, Sequence[CandidateCrystal]]
) -> list[SurfaceRecord]:
    """Return the crystals that a formula may mean, unlabelled."""
    if level is Level.SLAB:
        raise MissingStructureError(
            f"{row.place} has the formula {row.formula} alone",
            "a slab, for the properties are declared with level: slab",
            "name a structure file in the column structure",
        )
    formula = _reduced(row)
    if pools:
        found = [(c.structure, c.source) for c in pools.get(formula, ())]
    else:
        found = [(e.conventional_structure(), f"library:{e.name}") for e in phases_of(formula)]
    return [
        surface_record(f"{formula} {source}", structure, source, level=level)
        for structure, source in found
    ]


def _reduced(row: Row) -> str:
    """Return the reduced formula of a row."""
    try:
        composition = Composition(row.formula)
        known = all(Element.is_valid_symbol(element.symbol) for element in composition.elements)
    except ValueError:
        known = False
    if not known or not composition:
        raise MissingStructureError(
            f"{row.place} has the formula {row.formula!r}", "a chemical formula", "correct it"
        )
    return str(composition.reduced_formula)


def _set_label(label: Label, members: Sequence[SurfaceRecord], row: Row) -> SetLabel:
    return SetLabel(
        name=label.name,
        value=label.value,
        unit=label.unit,
        fidelity=label.fidelity,
        members=tuple(member.name for member in members),
        statistic=Statistic.ONE_OF,
        formula=members[0].formula,
        source=f"table:{row.name}",
    )


def _add(records: dict[str, SurfaceRecord], record: SurfaceRecord) -> None:
    if record.name in records:
        raise LearnerError(
            f"two rows are named {record.name!r}",
            "one name for each structure",
            "rename one, or join the two rows",
        )
    records[record.name] = record
