"""From finished calculations of a group to results: pairing, and the documents of each pair.

A result needs a slab with its potential and a bulk calculation on the same scale: same cut-off, potentials
and functional, same crystal, same lattice. Hybrid band edges need the semilocal calculation of the same
cell, whose potential they refer to. What does not fit is refused with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from surfalign.errors import SurfalignError
from surfalign.stores.documents import (
    ArchivedFile,
    BulkDocument,
    DielectricDocument,
    Document,
    RawArchive,
    SlabPotentialDocument,
    SlabRelaxationDocument,
    SurfaceLevelsDocument,
)
from surfalign.stores.levels import SurfaceSteps, surface_levels
from surfalign.workflows.engines.vasp.imports.finding import (
    FinishedCalculation,
    Refusal,
    find_calculations,
)
from surfalign.workflows.engines.vasp.imports.pairing import (
    Pair,
    find_pairs,
    functional_label,
    refuse,
)
from surfalign.workflows.engines.vasp.imports.slab_description import describe_slab
from surfalign.workflows.engines.vasp.outputs import reading
from surfalign.workflows.engines.vasp.outputs.provenance import (
    cost,
    exchange,
    functional_name,
    started_at,
)
from surfalign.workflows.engines.vasp.outputs.step_context import StepContext
from surfalign.workflows.engines.vasp.running.corrections import corrections_of
from surfalign.workflows.identity import content_uuid

D = TypeVar("D", bound=Document)

#: Preset under which imported calculations are stored.
QUALITY = "imported"
#: Fractions of exchange are rounded to two digits.
_FRACTION_TOLERANCE = 0.02


@dataclass(frozen=True)
class ImportedResult:
    """A result and the documents it comes from.

    Parameters
    ----------
    levels
        The result.
    steps
        Step name to (uuid, document); the uuid follows from the contents of the files.
    uuid
        Of the result.
    pair
        The calculations.
    """

    levels: SurfaceLevelsDocument
    steps: dict[str, tuple[str, Document]]
    uuid: str
    pair: Pair


@dataclass
class ImportReport:
    """What was found in some folders.

    Parameters
    ----------
    results
        One for each pair.
    refusals
        Folders and pairs that cannot be used, with the reason.
    unused
        Good calculations that no pair needed.
    """

    results: list[ImportedResult] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    unused: list[Path] = field(default_factory=list)


def read_folders(
    roots: Iterable[Path], on_event: Callable[[str], None] = lambda line: None
) -> ImportReport:
    """Turn the finished calculations below some folders into results.

    Parameters
    ----------
    roots
        Where to look.
    on_event
        Called with a line at every folder and every pair.
    """
    found, refusals = find_calculations(roots, lambda folder: on_event(f"reading {folder}"))
    report = ImportReport(refusals=refusals)
    used: set[Path] = set()
    for pair in find_pairs(found, report.refusals):
        on_event(f"aligning {pair.slab.directory}")
        try:
            report.results.append(_result(pair))
        except SurfalignError as error:
            report.refusals.append(refuse(pair.slab, pair.bulk, error.found))
            continue
        used |= {c.directory for c in pair.calculations.values()} | {pair.bulk.directory}
    concerned = used | {d for refusal in report.refusals for d in refusal.directories}
    report.unused = [c.directory for c in found if c.directory not in concerned]
    return report


def _result(pair: Pair) -> ImportedResult:
    source = f"vasp:{pair.slab.directory}"
    bulk = _bulk_document(pair.bulk)
    relaxation, potential = _slab_documents(pair)
    start = relaxation.initial_structure if relaxation else potential.structure
    surface = describe_slab(bulk.structure, start, source)
    sites = surface.slab.site_properties["bulk_site"]
    potential.structure.add_site_property("bulk_site", sites)
    if relaxation is not None:
        relaxation.structure.add_site_property("bulk_site", sites)
    dielectric = None
    if pair.dielectric is not None:
        dielectric = reading.read_dielectric(
            pair.dielectric.directory,
            pair.dielectric.run.structure,
            _context("dielectric", pair.dielectric),
        )
        dielectric = _with_files(dielectric, pair.dielectric)
    hybrid = pair.hybrid
    fraction, screening = exchange(hybrid.run) if hybrid else (0.0, 0.0)
    folders = {"semilocal": pair.bulk} | ({"hybrid": hybrid} if hybrid else {})
    edges = reading.read_band_edges(
        pair.bulk.directory,
        hybrid.directory if hybrid else None,
        bulk.structure,
        _context(
            "band_edges",
            *folders.values(),
            stages=list(folders),
            notes=_fraction_note(fraction, dielectric),
        ),
        functional=functional_label(hybrid or pair.bulk),
        exchange_fraction=fraction,
        screening=screening,
        dielectric_constant=dielectric.dielectric_constant if dielectric else None,
        potential_required=False,
    )
    edges = _with_files(edges, hybrid or pair.bulk)
    steps = SurfaceSteps(surface, bulk, edges, bulk, potential, dielectric, relaxation)
    documents: dict[str, Document | None] = {
        "bulk": bulk,
        "dielectric": dielectric,
        "band_edges": edges,
        "slab_relaxation": relaxation,
        "slab_potential": potential,
    }
    stored = {
        step: (_uuid(step, pair), document)
        for step, document in documents.items()
        if document is not None
    }
    stored["oriented_bulk"] = stored["bulk"]
    provenance = {step: uuid for step, (uuid, _) in stored.items()}
    result_uuid = content_uuid("import-vasp", "alignment", sorted(provenance.values()))
    index = "".join(str(i) for i in surface.miller_index)
    label = surface.termination or "imported"
    identifier = f"{surface.formula}-{index}-{label}-{edges.functional}-{result_uuid[:8]}"
    levels = surface_levels(steps, identifier, provenance)
    return ImportedResult(levels, stored, result_uuid, pair)


def _bulk_document(bulk: FinishedCalculation) -> BulkDocument:
    document = reading.read_bulk(bulk.directory, bulk.run.structure, _context("bulk", bulk))
    return _with_files(document, bulk)


def _slab_documents(pair: Pair) -> tuple[SlabRelaxationDocument | None, SlabPotentialDocument]:
    slab, source, relaxation = pair.slab, pair.relaxation, None
    start = slab.run.structure
    if source is not None:
        tolerance = abs(float(source.run.parameters.get("EDIFFG", -0.05)))
        relaxation = reading.read_slab_relaxation(
            source.directory,
            source.run.initial_structure,
            _context("slab_relaxation", source),
            force_tolerance=max(tolerance, 0.01),
        )
        relaxation = _with_files(relaxation, source)
        start = relaxation.structure
    notes = [] if relaxation else ["relaxation_unknown: no relaxation of this slab was found"]
    potential = reading.read_slab_potential(
        slab.directory,
        start,
        _context("slab_potential", slab, notes=notes),
        dipole_corrected=bool(slab.run.parameters.get("LDIPOL", False)),
    )
    return relaxation, _with_files(potential, slab)


def _context(
    step: str,
    *calculations: FinishedCalculation,
    stages: list[str] | None = None,
    notes: list[str] | None = None,
) -> StepContext:
    names = stages or ["" if len(calculations) == 1 else str(i) for i in range(len(calculations))]
    folders = {name or step: c.directory for name, c in zip(names, calculations, strict=True)}
    last = calculations[-1]
    return StepContext(
        step=step,
        quality=QUALITY,
        xc=functional_name(last.run),
        settings={},
        started_at=started_at(last.run),
        cores=cost(last.directory).cores,
        folders=folders,
        corrections=[c for name, f in folders.items() for c in corrections_of(f, name)],
        warnings=list(notes or ()),
    )


def _fraction_note(fraction: float, dielectric: DielectricDocument | None) -> list[str]:
    """Warn where the fraction of exchange is not that of the dielectric constant beside it."""
    if (
        dielectric is None
        or abs(fraction - 1 / dielectric.dielectric_constant) < _FRACTION_TOLERANCE
    ):
        return []
    return [
        f"exchange_fraction_differs: AEXX = {fraction:g}, but the dielectric constant found beside it "
        f"is {dielectric.dielectric_constant:.2f}"
    ]


def _with_files(document: D, calculation: FinishedCalculation) -> D:
    """The document with path and checksums of the files it was read from, which stay in place."""
    files = []
    for name, checksum in calculation.checksums.items():
        path = calculation.run.file(name)
        files.append(ArchivedFile(name=path.name, sha256=checksum, n_bytes=path.stat().st_size))
    archive = RawArchive(path=str(calculation.directory), files=files)
    record: Any = document
    changed = record.calculation.model_copy(update={"archive": archive, "hostname": ""})
    return document.model_copy(update={"calculation": changed})


def _uuid(step: str, pair: Pair) -> str:
    """The identity of an imported step: the contents of the files, not where they lie."""
    calculation = pair.calculations[step]
    others = [pair.bulk.checksums] if step == "band_edges" else []
    if step == "band_edges" and pair.dielectric is not None:
        others.append(pair.dielectric.checksums)
    return content_uuid("import-vasp", step, calculation.checksums, *others)
