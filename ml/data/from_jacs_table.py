"""Matching the table of the Supporting Information to enumerated surfaces.

Each row of the table (see :mod:`~.jacs_table`) is matched to the enumerated surfaces of a crystal with its
formula and space group. Where an orientation has several terminations the row does not say which it
means, so its labels belong to the set of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from surfalign.ml.data.candidate_surfaces import CandidateCrystal
from surfalign.ml.data.datasets import FrozenDataset, freeze
from surfalign.ml.data.jacs_table import TableRow, read_table
from surfalign.ml.data.label_quality import weighted
from surfalign.ml.data.records import (
    LABEL_UNITS,
    Fidelity,
    Label,
    SetLabel,
    Statistic,
    SurfaceRecord,
)

FIDELITY = Fidelity(functional="ddh", method="vasp, nsc, relaxed slab", origin="jacs-si")

NO_CRYSTAL = "no crystal of this formula and space group"
NO_SURFACE = "no nonpolar surface of this orientation"
NO_NUMBERS = "no IP and no EA"
SHARED = "several rows for one slab"


def import_table(
    path: Path,
    crystals: Sequence[CandidateCrystal],
    on_progress: Callable[[int, int], None] | None = None,
) -> FrozenDataset:
    """Match the table to the surfaces of crystals and freeze what was matched.

    Parameters
    ----------
    path
        The table.
    crystals
        Crystals whose surfaces are enumerated.
    on_progress
        Called with the number of orientations done, and of all.

    Raises
    ------
    DamagedFileError
        When the file is no table of this kind.
    EmptyDatasetError
        When no row is matched.
    """
    rows = read_table(path)
    by_key: dict[tuple[str, int], list[CandidateCrystal]] = defaultdict(list)
    wanted = {row.formula for row in rows}
    for crystal in crystals:
        if crystal.formula in wanted:
            by_key[crystal.formula, crystal.symmetric.space_group_number].append(crystal)
    records: dict[str, SurfaceRecord] = {}
    own: dict[str, list[Label]] = defaultdict(list)
    sets: list[SetLabel] = []
    left_out: dict[str, list[str]] = defaultdict(list)
    lowered: dict[str, list[str]] = defaultdict(list)
    orientations = _orientations(rows)
    for done, (key, members) in enumerate(orientations.items()):
        if on_progress is not None:
            on_progress(done, len(orientations))
        formula, number, miller_index = key
        slabs = _slabs(by_key.get((formula, number), []), miller_index)
        for row in members:
            title = f"{row.number} {row.formula} {row.space_group_number} {row.miller_index}"
            if not by_key.get((formula, number)):
                left_out[NO_CRYSTAL].append(title)
            elif not slabs:
                left_out[NO_SURFACE].append(title)
            elif not {"ionization_potential", "electron_affinity"} & set(row.labels):
                left_out[NO_NUMBERS].append(title)
            else:
                records |= {slab.name: slab for slab in slabs}
                for reason in _attach(row, slabs, len(members), own, sets):
                    lowered[reason].append(title)
    return freeze(
        path.name.split(".")[0],
        [_with_labels(record, own[name]) for name, record in records.items()],
        set_labels=sets,
        fidelities=[FIDELITY],
        left_out=left_out,
        lowered=lowered,
        description=f"table {path.name}, doi 10.1021/jacs.3c13574, matched to enumerated surfaces",
    )


def _orientations(
    rows: Sequence[TableRow],
) -> dict[tuple[str, int, tuple[int, int, int]], list[TableRow]]:
    groups: dict[tuple[str, int, tuple[int, int, int]], list[TableRow]] = defaultdict(list)
    for row in rows:
        groups[row.formula, row.space_group_number, row.miller_index].append(row)
    return dict(groups)


def _slabs(
    crystals: Sequence[CandidateCrystal], miller_index: tuple[int, int, int]
) -> list[SurfaceRecord]:
    return [slab for crystal in crystals for slab in crystal.slabs(miller_index)]


def _attach(
    row: TableRow,
    slabs: Sequence[SurfaceRecord],
    n_rows: int,
    own: dict[str, list[Label]],
    sets: list[SetLabel],
) -> list[str]:
    """Give the labels of a row to its only slab, or to the set of slabs it may mean; say what lowers them.

    Several rows for one slab (other terminations than we enumerate) are ambiguous, too: each of them
    counts a share.
    """
    share = 1.0 / max(n_rows - len(slabs) + 1, 1)
    given = [
        Label(name=name, value=value, unit=LABEL_UNITS[name], fidelity=FIDELITY.key, weight=share)
        for name, value in sorted(row.labels.items())
    ]
    labels, reasons = weighted(given, {})
    if len(slabs) == 1:
        own[slabs[0].name] += labels
    else:
        sets += [
            SetLabel(
                **vars(label),
                members=tuple(slab.name for slab in slabs),
                statistic=Statistic.ONE_OF,
                formula=row.formula,
                source=f"jacs-si:{row.number}",
            )
            for label in labels
        ]
    return reasons + ([SHARED] if share < 1.0 else [])


def _with_labels(record: SurfaceRecord, labels: Sequence[Label]) -> SurfaceRecord:
    return replace(record, labels=tuple(labels))
