"""The flow: from a bulk crystal to the levels of its surfaces, for any engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from jobflow import CURRENT_JOB, Flow, Job, JobConfig, Maker, OutputReference, Response, job
from pymatgen.core import Structure

from surfalign.errors import TerminationError
from surfalign.physics.phases.oxygen_reference import reference_molecules
from surfalign.physics.slabs.corrugation import is_corrugated
from surfalign.physics.slabs.oxygen import asks_for_oxygen
from surfalign.stores.documents import (
    BandEdgesDocument,
    BulkDocument,
    DielectricDocument,
    Functional,
    SurfaceDescription,
    SurfaceSetDocument,
)
from surfalign.workflows.earlier_uuids import EarlierUuids
from surfalign.workflows.engines.engine import Engine
from surfalign.workflows.engines.step_resources import declare
from surfalign.workflows.identity import content_uuid, identify, without_finished
from surfalign.workflows.routing import inherited_routes, route
from surfalign.workflows.schema_cache import memoise_schema_access
from surfalign.workflows.surface_jobs import align_surface, describe_surfaces


@dataclass
class BandAlignmentMaker(Maker):
    """Compute IP and EA of the surfaces of one crystal.

    The bulk steps run once for the crystal; its surfaces follow as a dynamic part of the graph, because
    their slabs are cut from the bulk structure that the first step returns, and because a crystal whose
    gap closes should cost no slab::

        bulk -> dielectric -> band edges -> surfaces -+-> oriented bulk ------------+-> align
                                                      +-> relaxation -> potential --+
                                                      +-> (the same for each surface)

    An engine is six makers that return the documents of :mod:`surfalign.stores.documents`; nothing
    here knows which engine it is. Jobs carry content-derived uuids (:mod:`.identity`), so finished
    steps are found again in the job store.

    Parameters
    ----------
    engine
        The makers, with the slab and vacuum thickness of their preset.
    miller_indices
        Orientations (conventional cell); None for the crystal's default, or see ``max_index``.
    max_index
        All nonpolar orientations up to this index.
    surface_names
        Only the surfaces of these names (``MgO(100)-A``) among those of the orientations; None for all.
        Names do not depend on the slab's thickness, as identifiers do, so a plan can state them.
    relax_slabs
        Whether the ions of the slabs are relaxed.
    reuse
        Whether finished steps of an earlier run are taken over.
    """

    engine: Engine
    name: str = "band alignment"
    miller_indices: list[tuple[int, int, int]] | None = None
    max_index: int | None = None
    surface_names: list[str] | None = None
    relax_slabs: bool = True
    reuse: bool = True

    def make(
        self,
        structure: Structure,
        source: str = "",
        earlier: EarlierUuids | None = None,
        notes: Sequence[str] = (),
    ) -> Flow:
        """Build the flow of one crystal.

        Parameters
        ----------
        structure
            Primitive cell of the crystal.
        source
            Where it came from, e.g. ``library:MgO``; stored with the results.
        earlier
            Knows the steps of a store from before version 0.2, which keep their uuids.
        notes
            What is unusual about the crystal; stored with the results.

        Returns
        -------
        Flow
            Its output is the :class:`~surfalign.stores.documents.SurfaceSetDocument` that names
            the results.
        """
        memoise_schema_access()
        engine = self.engine
        bulk = identify(engine.bulk_maker.make(structure), structure, earlier=earlier)
        jobs: list[Job] = [bulk]
        constant, eps = None, None
        if engine.functional == Functional.DDH:
            eps = identify(
                engine.dielectric_maker.make(bulk.output.structure), bulk.uuid, earlier=earlier
            )
            constant = eps.output.dielectric_constant
            jobs.append(eps)
        edges = identify(
            engine.band_edges_maker.make(bulk.output.structure, constant),
            bulk.uuid,
            eps.uuid if eps else None,
            earlier=earlier,
        )
        provenance = {"bulk": bulk.uuid, "band_edges": edges.uuid}
        if eps:
            provenance["dielectric"] = eps.uuid
        surfaces = SurfacesMaker(
            engine=engine,
            miller_indices=self.miller_indices,
            max_index=self.max_index,
            surface_names=self.surface_names,
            relax_slabs=self.relax_slabs,
            reuse=self.reuse,
        ).make(
            bulk.output,
            edges.output,
            eps.output if eps else None,
            provenance,
            source,
            list(notes),
            given=structure,
        )
        identify(surfaces, provenance, earlier=earlier)
        jobs += [edges, surfaces]
        formula = structure.composition.reduced_formula
        for step, name in zip(jobs, _bulk_step_names(eps is not None), strict=True):
            step.name = f"{formula} {name}"
            step.metadata |= {
                "formula": formula,
                "source": source,
                "step": name,
                "crystal": bulk.uuid,
            }
            declare(step, structure)
        return Flow([*jobs], output=surfaces.output, name=f"{formula} {self.name}")


def _bulk_step_names(with_dielectric: bool) -> list[str]:
    middle = ["dielectric"] if with_dielectric else []
    return ["bulk", *middle, "band edges", "surfaces"]


@dataclass
class SurfacesMaker(Maker):
    """Cut the slabs from the computed bulk and add the jobs of each; parameters as in the flow."""

    engine: Engine
    name: str = "surfaces"
    miller_indices: list[tuple[int, int, int]] | None = None
    max_index: int | None = None
    surface_names: list[str] | None = None
    relax_slabs: bool = True
    reuse: bool = True

    stable_name: ClassVar[str] = "surfaces"

    # The added jobs have queues of their own (routing), not that of this one.
    @job(
        output_schema=SurfaceSetDocument,
        config=JobConfig(expose_store=True, pass_manager_config=False),
    )
    def make(
        self,
        bulk: BulkDocument,
        band_edges: BandEdgesDocument,
        dielectric: DielectricDocument | None,
        provenance: dict[str, str],
        source: str,
        notes: list[str] | None = None,
        given: Structure | None = None,
    ) -> Response[SurfaceSetDocument]:
        """Enumerate the surfaces and return their jobs as an addition to the flow.

        Parameters
        ----------
        bulk, band_edges, dielectric
            Documents of the bulk steps.
        provenance
            Uuids of the jobs that made them.
        source
            Where the crystal came from.
        notes
            What is unusual about it.
        given
            The crystal before its bulk step, whose surfaces were asked for; None in flows of earlier versions.
        """
        surfaces = describe_surfaces(
            bulk.structure,
            source=source,
            crystal_notes=notes or (),
            miller_indices=self.miller_indices,
            max_index=self.max_index,
            slab_thickness=self.engine.slab_thickness,
            vacuum_thickness=self.engine.vacuum_thickness,
            oxygen=any(map(asks_for_oxygen, self.surface_names or ())),
            corrugated=any(map(is_corrugated, self.surface_names or ())),
            given=given,
        )
        surfaces = named_surfaces(surfaces, self.surface_names)
        store = CURRENT_JOB.store
        earlier = (
            EarlierUuids.of_slabs(store, provenance["bulk"], bulk.structure, surfaces)
            if store is not None
            else None
        )
        flows = [
            surface_jobs(
                self.engine,
                surface,
                bulk,
                band_edges,
                dielectric,
                provenance,
                relax_slab=self.relax_slabs,
                earlier=earlier,
            )
            for surface in surfaces
        ]
        output = SurfaceSetDocument(
            surfaces=surfaces,
            result_identifiers=[flow[-1].metadata["result_identifiers"][0] for flow in flows],
        )
        addition = Flow([*_merge(flows)], name=f"{bulk.formula} surfaces")
        route(addition, inherited_routes())
        if not self.reuse or store is None:
            return Response(output=output, addition=addition)
        remaining = without_finished(addition, store)
        return Response(output=output, addition=remaining) if remaining else Response(output=output)


def named_surfaces(
    surfaces: list[SurfaceDescription], names: list[str] | None
) -> list[SurfaceDescription]:
    """Keep the surfaces that are asked for by name.

    Raises
    ------
    TerminationError
        When the orientations have no surface of such a name.
    """
    if names is None:
        return surfaces
    found = {surface.name: surface for surface in surfaces}
    missing = [name for name in names if name not in found]
    if missing:
        raise TerminationError(
            f"there is no surface {', '.join(missing)}",
            f"names among {', '.join(found)}",
            "choose one of these, or make the plan anew from this crystal; a relaxed bulk may have lost the "
            "gap between two planes",
        )
    return [found[name] for name in dict.fromkeys(names)]


def surface_jobs(
    engine: Engine,
    surface: SurfaceDescription,
    bulk: BulkDocument,
    band_edges: BandEdgesDocument,
    dielectric: DielectricDocument | None,
    provenance: dict[str, str],
    *,
    relax_slab: bool,
    earlier: EarlierUuids | None = None,
) -> list[Job]:
    """Build the jobs of one surface: oriented bulk, relaxation, potential, alignment (the last).

    A surface with more or less oxygen than its crystal needs two molecules besides.

    Identities derive from the uuid of the bulk step and the surface's name and size rather than from
    coordinates, so the noise of a repeated bulk step does not make a surface a new one.
    """
    parent = provenance["bulk"]
    oriented = identify(
        engine.oriented_bulk_maker.make(surface.oriented_bulk),
        parent,
        surface.miller_index,
        len(surface.oriented_bulk),
        earlier=earlier,
    )
    names, jobs = ["oriented bulk"], [oriented]
    slab: Structure | OutputReference = surface.slab
    relaxation: OutputReference | None = None
    slab_identity: list[Any] = [parent, (surface.name, surface.n_atoms)]
    if relax_slab:
        relax = identify(_relaxation(engine, surface), *slab_identity, earlier=earlier)
        slab, relaxation = relax.output.structure, relax.output
        slab_identity = [relax.uuid]
        names, jobs = [*names, "slab relaxation"], [*jobs, relax]
    if relaxation is not None and gives_potential(engine):
        potential = relaxation.potential
    else:
        last = identify(engine.slab_potential_maker.make(slab), *slab_identity, earlier=earlier)
        potential = last.output
        names, jobs = [*names, "slab potential"], [*jobs, last]
    molecules = _reference_molecules(engine) if surface.excess_oxygen else {}
    names, jobs = [*names, *molecules], [*jobs, *molecules.values()]
    uuids = provenance | {
        name.replace(" ", "_"): step.uuid for name, step in zip(names, jobs, strict=True)
    }
    result_uuid = content_uuid("alignment", *sorted(uuids.values()))
    identifier = _result_identifier(surface, band_edges.functional, result_uuid)
    align = align_surface(
        identifier,
        uuids,
        surface,
        bulk,
        band_edges,
        oriented.output,
        potential,
        dielectric,
        relaxation,
        *(step.output for step in molecules.values()),
    )
    align.set_uuid(result_uuid)
    for step in jobs:
        if step not in molecules.values():
            declare(step, surface.oriented_bulk if step is oriented else surface.slab)
    for step, name in zip([*jobs, align], [*names, "alignment"], strict=True):
        step.name = f"{surface.name} {name}"
        step.metadata |= {
            "formula": surface.formula,
            "source": surface.source,
            "crystal_notes": surface.crystal_notes,
            "step": name,
            "crystal": parent,
            "surface_name": surface.name,
            "miller_index": list(surface.miller_index),
            "termination": surface.termination,
            "surface_identifier": surface.identifier,
            "result_identifiers": [identifier],
        }
    return [*jobs, align]


def gives_potential(engine: Engine) -> bool:
    """Ask whether an engine's relaxation returns the potential of the relaxed slab too."""
    return bool(getattr(engine.slab_relax_maker, "gives_potential", False))


def _reference_molecules(engine: Engine) -> dict[str, Job]:
    """Return the jobs behind the energy of oxygen, by the names of their steps; all crystals share them."""
    jobs = {}
    for name, box in reference_molecules().items():
        jobs[name] = identify(engine.slab_potential_maker.make(box), box)
        declare(jobs[name], box)
    return jobs


def _relaxation(engine: Engine, surface: SurfaceDescription) -> Job | Flow:
    """Return the relaxation of a slab; some makers start better where they know its bulk too."""
    maker = engine.slab_relax_maker
    if getattr(maker, "takes_oriented_bulk", False):
        return maker.make(surface.slab, surface.oriented_bulk)
    return maker.make(surface.slab)


def _result_identifier(surface: SurfaceDescription, functional: str, result_uuid: str) -> str:
    """A readable and unique name, e.g. ``MgO-100-A-ddh-1f3a9c02``."""
    index = "".join(str(i) for i in surface.miller_index)
    return f"{surface.formula}-{index}-{surface.termination}-{functional}-{result_uuid[:8]}"


def _merge(flows: list[list[Job]]) -> list[Job]:
    """All jobs, each uuid once: surfaces of one orientation share their oriented bulk cell."""
    merged: dict[str, Job] = {}
    for step in (step for jobs in flows for step in jobs):
        known = merged.setdefault(step.uuid, step)
        if known is not step:
            known.metadata["result_identifiers"] += step.metadata["result_identifiers"]
    return list(merged.values())
