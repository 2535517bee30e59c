"""From finished calculations of a group to results: pairing, and the documents of each pair.

A result needs a slab with its potential and a bulk calculation on the same scale: same cut-off, potentials
and functional, same crystal, same lattice. Hybrid band edges need the semilocal calculation of the same
cell, whose potential they refer to. What does not fit is refused with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from surfalign.errors import SurfalignError
from surfalign.stores.documents import Document, SurfaceLevelsDocument
from surfalign.stores.levels import SurfaceSteps, surface_levels
from surfalign.workflows.engines.vasp.imports import documents
from surfalign.workflows.engines.vasp.imports.finding import (
    Refusal,
    find_calculations,
)
from surfalign.workflows.engines.vasp.imports.pairing import Pair, find_pairs, refuse
from surfalign.workflows.engines.vasp.imports.slab_description import describe_slab
from surfalign.workflows.identity import content_uuid


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
        # Files that somebody else made may break readers in any way; the other pairs must not suffer.
        except Exception as error:  # noqa: BLE001
            reason = f"cannot be aligned ({type(error).__name__}: {error})"
            report.refusals.append(refuse(pair.slab, pair.bulk, reason))
            continue
        others = [pair.bulk, *pair.bands, *pair.hybrid_bands]
        used |= {c.directory for c in [*pair.calculations.values(), *others]}
    concerned = used | {d for refusal in report.refusals for d in refusal.directories}
    report.unused = [c.directory for c in found if c.directory not in concerned]
    return report


def _result(pair: Pair) -> ImportedResult:
    bulk = documents.bulk(pair.bulk)
    relaxation, potential = documents.slab(pair)
    start = relaxation.initial_structure if relaxation else potential.structure
    surface = describe_slab(bulk.structure, start, f"vasp:{pair.slab.directory}")
    sites = surface.slab.site_properties["bulk_site"]
    potential.structure.add_site_property("bulk_site", sites)
    if relaxation is not None:
        relaxation.structure.add_site_property("bulk_site", sites)
    dielectric, notes = documents.dielectric(pair)
    pair = pair if dielectric else replace(pair, dielectric=None)
    edges = documents.band_edges(pair, bulk, dielectric, notes)
    steps = SurfaceSteps(surface, bulk, edges, bulk, potential, dielectric, relaxation)
    found: dict[str, Document | None] = {
        "bulk": bulk,
        "dielectric": dielectric,
        "band_edges": edges,
        "slab_relaxation": relaxation,
        "slab_potential": potential,
    }
    stored = {
        step: (_uuid(step, pair), document)
        for step, document in found.items()
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


def _uuid(step: str, pair: Pair) -> str:
    """The identity of an imported step: the contents of the files, not where they lie."""
    calculation = pair.calculations[step]
    others = [pair.bulk.checksums] if step == "band_edges" else []
    if step == "band_edges" and pair.dielectric is not None:
        others.append(pair.dielectric.checksums)
    if step == "band_edges":
        others += [run.checksums for run in (*pair.bands, *pair.hybrid_bands)]
    return content_uuid("import-vasp", step, calculation.checksums, *others)
