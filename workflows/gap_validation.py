"""Compare computed gaps and dielectric constants of bulk crystals with references, for any engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from monty.json import MontyDecoder, MontyEncoder
from pydantic import Field
from pymatgen.core import Structure

from surfalign.crystals.lists import NAME_KEYS, Record, read_records
from surfalign.errors import ConfigurationError, InvalidStructureError, SurfalignError
from surfalign.files import write_whole
from surfalign.physics.checks import Check
from surfalign.stores.documents import Document, ErrorRecord, Functional, quantity
from surfalign.workflows.engines.engine import Engine


@dataclass(frozen=True)
class GapEntry:
    """A crystal to compute, with what is known of it.

    Parameters
    ----------
    identifier
        Unique in its file.
    structure
        The crystal.
    reference_gap
        Band gap, eV; None where unknown.
    reference_dielectric_constant
        A third of the trace of the electronic dielectric tensor; None where unknown.
    """

    identifier: str
    structure: Structure
    reference_gap: float | None = None
    reference_dielectric_constant: float | None = None


class GapRecord(Document):
    """What was computed for one entry, beside its reference."""

    identifier: str
    formula: str
    n_atoms: int
    functional: str
    quality: str
    engine: str
    engine_version: str = ""
    settings_hashes: dict[str, str] = Field(default_factory=dict)
    structure: Structure
    dielectric_constant: float | None = quantity("1", "Computed", default=None)
    reference_dielectric_constant: float | None = quantity("1", "Reference", default=None)
    exchange_fraction: float | None = quantity("1", "Fraction of exact exchange", default=None)
    semilocal_band_gap: float | None = quantity("eV", "PBEsol gap", default=None)
    one_shot_band_gap: float | None = quantity("eV", "Gap at the semilocal density", default=None)
    self_consistency_gap_correction: float | None = quantity(
        "eV", "Gap change by self-consistency", default=None
    )
    band_gap: float | None = quantity("eV", "Computed gap", default=None)
    reference_band_gap: float | None = quantity("eV", "Reference gap", default=None)
    checks: list[Check] = Field(default_factory=list)
    cpu_time: float = quantity("s", "CPU time of both steps, all processes", default=0.0)
    wall_time: float = quantity("s", "Wall time of both steps", default=0.0)
    error: ErrorRecord | None = None

    @property
    def gap_difference(self) -> float | None:
        """Computed minus reference gap, eV."""
        return _difference(self.band_gap, self.reference_band_gap)

    @property
    def relative_dielectric_difference(self) -> float | None:
        """Computed over reference dielectric constant, minus 1."""
        difference = _difference(self.dielectric_constant, self.reference_dielectric_constant)
        if difference is None or self.reference_dielectric_constant is None:
            return None
        return difference / self.reference_dielectric_constant


class GapSummary(Document):
    """Errors over all records that have a reference."""

    n_entries: int
    n_failed: int
    n_gaps_compared: int
    gap_mean_absolute_error: float | None = quantity("eV", "MAE of the gaps", default=None)
    gap_mean_error: float | None = quantity("eV", "Mean error of the gaps", default=None)
    gap_largest_error: float | None = quantity("eV", "Largest absolute error", default=None)
    n_dielectric_constants_compared: int = 0
    dielectric_mean_absolute_relative_error: float | None = quantity(
        "1", "Mean absolute relative error of the dielectric constants", default=None
    )
    cpu_time: float = quantity("s", "CPU time of all entries")


def read_entries(file: Path, only: Sequence[str] = ()) -> list[GapEntry]:
    """Read crystals, with references where they have them, from JSON (also gzipped).

    Parameters
    ----------
    file
        Crystals as :mod:`surfalign.crystals.lists` reads them; references under ``gap_ddh_ev``, and
        ``eps_electronic_avg`` or ``eps_electronic_tensor``.
    only
        Identifiers to take, in this order; empty for all.

    Raises
    ------
    InvalidStructureError
        When the file or an entry cannot be read, or two entries have one name.
    ConfigurationError
        When a wanted identifier is not in the file.
    """
    raw: dict[str, Record] = {}
    for record in read_records(file):
        if raw.setdefault(record.name, record) is not record:
            raise InvalidStructureError(
                f"{file} holds two entries called {record.name}",
                "names that differ",
                f"correct their {', '.join(NAME_KEYS)}",
            )
    missing = [identifier for identifier in only if identifier not in raw]
    if missing:
        raise ConfigurationError(
            f"{file.name} has no entry {', '.join(missing)}",
            f"identifiers such as {', '.join(list(raw)[:5])}",
            "correct --only",
        )
    return [_entry(raw[identifier]) for identifier in only or raw]


def compute_entry(entry: GapEntry, engine: Engine) -> GapRecord:
    """Compute one entry: dielectric constant where the functional needs it, then the band edges.

    A named error becomes part of the record; the next entry can go on.
    """
    record = GapRecord(
        identifier=entry.identifier,
        formula=entry.structure.composition.reduced_formula,
        n_atoms=len(entry.structure),
        functional=engine.functional,
        quality=engine.quality,
        engine=engine.name,
        structure=entry.structure,
        reference_dielectric_constant=entry.reference_dielectric_constant,
        reference_band_gap=entry.reference_gap,
    )
    step = "dielectric"
    try:
        constant = None
        if engine.functional == Functional.DDH:
            dielectric = _run(engine.dielectric_maker, entry.structure)
            constant = record.dielectric_constant = dielectric.dielectric_constant
            _note_calculation(record, dielectric.calculation)
        step = "band_edges"
        edges = _run(engine.band_edges_maker, entry.structure, constant)
        _note_calculation(record, edges.calculation)
    except SurfalignError as error:
        record.error = ErrorRecord(error=type(error).__name__, message=str(error), step=step)
        return record
    record.exchange_fraction = edges.exchange_fraction
    record.band_gap = edges.band_gap
    record.one_shot_band_gap = edges.one_shot_band_gap
    record.self_consistency_gap_correction = edges.self_consistency_gap_correction
    record.semilocal_band_gap = (
        edges.semilocal_conduction_band_minimum - edges.semilocal_valence_band_maximum
    )
    return record


def compute_entries(
    entries: Sequence[GapEntry],
    engine: Engine,
    output: Path | None = None,
    on_record: Callable[[GapRecord, bool], None] = lambda record, reused: None,
) -> list[GapRecord]:
    """Compute all entries, writing the output after each; what it holds already is reused.

    Parameters
    ----------
    entries
        Crystals.
    engine
        The makers.
    output
        JSON file to resume from and write to.
    on_record
        Called with each record and whether it was reused.
    """
    earlier = _read_records(output) if output is not None and output.exists() else []
    records: list[GapRecord] = []
    for entry in entries:
        known = next((r for r in earlier if _answers(r, entry, engine)), None)
        record = known or compute_entry(entry, engine)
        records.append(record)
        if output is not None:
            done = {r.identifier for r in records}
            write_records([*records, *(r for r in earlier if r.identifier not in done)], output)
        on_record(record, known is not None)
    return records


def write_records(records: Sequence[GapRecord], output: Path) -> None:
    """Write records and their summary as JSON; the file is never half-written."""
    write_whole(output, records_json(records))


def records_json(records: Sequence[GapRecord]) -> str:
    """Return records and their summary as JSON."""
    content = {
        "summary": summarise(records).model_dump(),
        "records": [record.model_dump() for record in records],
    }
    return json.dumps(content, cls=MontyEncoder, indent=1)


def summarise(records: Sequence[GapRecord]) -> GapSummary:
    """Return the errors over all records that have a reference."""
    gaps = np.array([r.gap_difference for r in records if r.gap_difference is not None])
    constants = np.array(
        [
            r.relative_dielectric_difference
            for r in records
            if r.relative_dielectric_difference is not None
        ]
    )
    return GapSummary(
        n_entries=len(records),
        n_failed=sum(r.error is not None for r in records),
        n_gaps_compared=len(gaps),
        gap_mean_absolute_error=float(np.abs(gaps).mean()) if len(gaps) else None,
        gap_mean_error=float(gaps.mean()) if len(gaps) else None,
        gap_largest_error=float(np.abs(gaps).max()) if len(gaps) else None,
        n_dielectric_constants_compared=len(constants),
        dielectric_mean_absolute_relative_error=(
            float(np.abs(constants).mean()) if len(constants) else None
        ),
        cpu_time=sum(r.cpu_time for r in records),
    )


def _run(maker: Any, *arguments: Any) -> Any:
    """Run a maker's job here and now: jobflow keeps the plain method as ``original``."""
    return type(maker).make.original(maker, *arguments)


def _note_calculation(record: GapRecord, calculation: Any) -> None:
    record.engine_version = calculation.engine_version
    record.settings_hashes[calculation.step] = calculation.settings_hash
    record.cpu_time += calculation.cpu_time
    record.wall_time += calculation.wall_time
    record.checks.extend(calculation.checks)


def _answers(record: GapRecord, entry: GapEntry, engine: Engine) -> bool:
    """Whether a record of an earlier run is the result of this entry with this engine."""
    return (
        record.error is None
        and record.identifier == entry.identifier
        and (record.engine, record.functional, record.quality)
        == (engine.name, engine.functional, engine.quality)
        and record.structure == entry.structure
    )


def _read_records(output: Path) -> list[GapRecord]:
    try:
        content = json.loads(output.read_text(), cls=MontyDecoder)
        return [GapRecord.model_validate(record) for record in content["records"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{output} exists but is no earlier output of this command",
            "a file that this command wrote, or none",
            "name another file",
        ) from error


def _entry(record: Record) -> GapEntry:
    facts = record.facts
    constant = facts.get("eps_electronic_avg")
    if constant is None and facts.get("eps_electronic_tensor") is not None:
        constant = float(np.trace(np.array(facts["eps_electronic_tensor"])) / 3.0)
    return GapEntry(
        record.name, record.read_structure(), _number(facts.get("gap_ddh_ev")), _number(constant)
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _difference(computed: float | None, reference: float | None) -> float | None:
    return None if computed is None or reference is None else computed - reference


def markdown_table(records: Iterable[GapRecord]) -> str:
    """Return the comparison as a Markdown table, with its summary below."""
    rows = list(records)
    lines = [
        "| crystal | entry | ε∞ | reference | difference | α | one-shot gap (eV) | "
        "self-consistency (eV) | gap (eV) | reference (eV) | difference (eV) | CPU (s) |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += ["| " + " | ".join(table_cells(record)) + " |" for record in rows]
    return "\n".join([*lines, "", summary_sentence(summarise(rows)), ""])


def table_cells(record: GapRecord) -> list[str]:
    """Return the cells of one row, for people."""
    relative = record.relative_dielectric_difference
    cells = [
        record.formula,
        record.identifier,
        _text(record.dielectric_constant, ".2f"),
        _text(record.reference_dielectric_constant, ".2f"),
        _text(None if relative is None else 100 * relative, "+.1f", " %"),
        _text(record.exchange_fraction, ".2g"),
        _text(record.one_shot_band_gap, ".2f"),
        _text(record.self_consistency_gap_correction, "+.2f"),
        _text(record.band_gap, ".2f"),
        _text(record.reference_band_gap, ".2f"),
        _text(record.gap_difference, "+.2f"),
        f"{record.cpu_time:.0f}",
    ]
    if record.error is not None:
        cells[8] = record.error.error
    return cells


def summary_sentence(summary: GapSummary) -> str:
    """Return the summary in words."""
    parts = [f"{summary.n_entries} crystals, {summary.n_failed} failed."]
    if summary.gap_mean_absolute_error is not None:
        parts.append(
            f"Gaps of {summary.n_gaps_compared}: mean absolute error "
            f"{summary.gap_mean_absolute_error:.2f} eV, mean error "
            f"{summary.gap_mean_error:+.2f} eV, largest {summary.gap_largest_error:.2f} eV."
        )
    if summary.dielectric_mean_absolute_relative_error is not None:
        parts.append(
            f"Dielectric constants of {summary.n_dielectric_constants_compared}: mean absolute "
            f"error {100 * summary.dielectric_mean_absolute_relative_error:.1f} %."
        )
    parts.append(f"CPU time {summary.cpu_time / 60:.0f} min.")
    return " ".join(parts)


def _text(value: float | None, form: str, unit: str = "") -> str:
    return "–" if value is None else f"{value:{form}}{unit}"
