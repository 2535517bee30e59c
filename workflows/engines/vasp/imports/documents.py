"""The documents of each step of a pair, read from its folders."""

from __future__ import annotations

from typing import Any, TypeVar

from surfalign.errors import SurfalignError
from surfalign.stores.documents import (
    ArchivedFile,
    BandEdgesDocument,
    BulkDocument,
    DielectricDocument,
    Document,
    RawArchive,
    SlabPotentialDocument,
    SlabRelaxationDocument,
)
from surfalign.workflows.engines.functionals import Method, edges_label
from surfalign.workflows.engines.vasp.imports.finding import FinishedCalculation
from surfalign.workflows.engines.vasp.imports.pairing import Pair
from surfalign.workflows.engines.vasp.outputs import reading
from surfalign.workflows.engines.vasp.outputs.edges import read_band_edges
from surfalign.workflows.engines.vasp.outputs.method import functional_name, method_of
from surfalign.workflows.engines.vasp.outputs.provenance import cost, started_at
from surfalign.workflows.engines.vasp.outputs.step_context import StepContext
from surfalign.workflows.engines.vasp.running.corrections import corrections_of

D = TypeVar("D", bound=Document)

#: Preset under which imported calculations are stored.
QUALITY = "imported"


def bulk(source: FinishedCalculation) -> BulkDocument:
    """Return the bulk crystal of a calculation."""
    document = reading.read_bulk(source.run, source.run.structure, _context("bulk", source))
    return _with_files(document, source)


def slab(pair: Pair) -> tuple[SlabRelaxationDocument | None, SlabPotentialDocument]:
    """Return the relaxation of a pair's slab, where there is one, and its potential."""
    static, source, relaxation = pair.slab, pair.relaxation, None
    start = static.run.structure
    if source is not None:
        tolerance = abs(float(source.run.parameters.get("EDIFFG", -0.05)))
        relaxation = reading.read_slab_relaxation(
            source.run,
            source.run.initial_structure,
            _context("slab_relaxation", source),
            force_tolerance=max(tolerance, 0.01),
        )
        relaxation = _with_files(relaxation, source)
        start = relaxation.structure
    notes = [] if relaxation else ["relaxation_unknown: no relaxation of this slab was found"]
    potential = reading.read_slab_potential(
        static.run,
        start,
        _context("slab_potential", static, notes=notes),
        dipole_corrected=bool(static.run.parameters.get("LDIPOL", False)),
    )
    return relaxation, _with_files(potential, static)


def dielectric(pair: Pair) -> tuple[DielectricDocument | None, list[str]]:
    """Return the dielectric tensor beside a hybrid, or none, and what is to be noted of it.

    The fraction of exchange is known from the hybrid, so a tensor that cannot be used refuses no pair.
    """
    source = pair.dielectric
    if source is None:
        return None, []
    context = _context("dielectric", source)
    try:
        document = reading.read_dielectric(source.run, source.run.structure, context)
    except SurfalignError as error:
        return None, [f"dielectric_unusable: {error.found}"]
    return _with_files(document, source), []


def band_edges(
    pair: Pair, bulk: BulkDocument, dielectric: DielectricDocument | None, notes: list[str]
) -> BandEdgesDocument:
    """Return the band edges of a pair under the name of their whole method."""
    semilocal, edges = method_of(pair.bulk.run), method_of((pair.hybrid or pair.bulk).run)
    constant = dielectric.dielectric_constant if dielectric else None
    label = edges_label(edges.label(constant), semilocal, hybrid=pair.hybrid is not None)
    folders = {"semilocal": pair.bulk} | ({"hybrid": pair.hybrid} if pair.hybrid else {})
    document = read_band_edges(
        pair.bulk.run,
        pair.hybrid.run if pair.hybrid else None,
        bulk.structure,
        _context(
            "band_edges",
            *folders.values(),
            stages=list(folders),
            notes=[*notes, *_method_notes(edges, dielectric)],
        ),
        functional=label,
        semilocal_functional=semilocal.label(),
        exchange_fraction=edges.exchange_fraction,
        screening=edges.screening,
        dielectric_constant=constant,
        potential_required=False,
        band_structures=[c.run for c in pair.bands],
        hybrid_band_structures=[c.run for c in pair.hybrid_bands],
    )
    return _with_files(document, pair.hybrid or pair.bulk)


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


def _method_notes(method: Method, dielectric: DielectricDocument | None) -> list[str]:
    """Warn where the fraction of exchange is not known to follow from a dielectric constant."""
    if not method.may_be_dielectric_dependent:
        return []
    fraction = f"AEXX = {method.exchange_fraction:g}"
    if dielectric is None:
        return [
            f"exchange_fraction_unexplained: {fraction}, and no dielectric constant of this crystal was "
            "found (LEPSILON): not called ddh"
        ]
    if method.follows_from(dielectric.dielectric_constant):
        return []
    return [
        f"exchange_fraction_differs: {fraction}, but the dielectric constant found beside it is "
        f"{dielectric.dielectric_constant:.2f}: not called ddh"
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
