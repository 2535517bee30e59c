"""The levels do not depend on how the slab is put into its cell, nor (much) on its thickness."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from jobflow import Flow, Job, JobStore
from maggma.stores import MemoryStore
from monty.json import MontyDecoder
from pymatgen.core import Structure

from surfalign.crystals.sources import load_crystal
from surfalign.launchers.local.run_flow import run_flow
from surfalign.stores.documents import SurfaceDescription, SurfaceLevelsDocument
from surfalign.stores.levels import SurfaceSteps, surface_levels
from surfalign.workflows.engines.engine import get_engine
from surfalign.workflows.surface_jobs import describe_surfaces

pytestmark = pytest.mark.dft

LAYER = 2.1  # angstrom, just below the spacing of MgO(100)


def output_of(job: Job) -> Any:
    """Run a job on this machine and return its document."""
    store = JobStore(MemoryStore())
    store.connect()
    with TemporaryDirectory() as directory:
        failures = run_flow(Flow([job]), store, Path(directory), reuse=False)
    assert failures == []
    return MontyDecoder().process_decoded(store.get_output(job.uuid))


def surface(structure: Structure, n_layers: int) -> SurfaceDescription:
    (description,) = describe_surfaces(
        structure,
        source="test",
        miller_indices=[(1, 0, 0)],
        max_index=None,
        slab_thickness=(n_layers - 1) * LAYER,
        vacuum_thickness=15.0,
    )
    assert description.n_atoms == 2 * n_layers
    return description


@pytest.fixture(scope="module")
def steps() -> SurfaceSteps:
    """Bulk, PBEsol edges and the potential of an unrelaxed slab of five layers."""
    engine = get_engine("gpaw", quality="quick", functional="pbesol")
    bulk = output_of(engine.bulk_maker.make(load_crystal("MgO").structure))
    description = surface(bulk.structure, 5)
    return SurfaceSteps(
        surface=description,
        bulk=bulk,
        band_edges=output_of(engine.band_edges_maker.make(bulk.structure, None)),
        oriented_bulk=output_of(engine.oriented_bulk_maker.make(description.oriented_bulk)),
        slab_potential=output_of(engine.slab_potential_maker.make(description.slab)),
    )


@pytest.fixture(scope="module")
def reference(steps: SurfaceSteps) -> SurfaceLevelsDocument:
    return surface_levels(steps, "reference")


def levels(steps: SurfaceSteps, description: SurfaceDescription) -> SurfaceLevelsDocument:
    engine = get_engine("gpaw", quality="quick", functional="pbesol")
    potential = output_of(engine.slab_potential_maker.make(description.slab))
    return surface_levels(replace(steps, surface=description, slab_potential=potential), "variant")


def test_both_alignments_agree_and_the_checks_pass(reference: SurfaceLevelsDocument) -> None:
    assert reference.failed_checks == []
    assert reference.ionization_potential_site_potentials == pytest.approx(
        reference.ionization_potential, abs=0.030
    )
    assert reference.surface_energy == pytest.approx(1.1, abs=0.25)  # J/m^2, unrelaxed


def test_a_slab_shifted_by_half_the_cell(
    steps: SurfaceSteps, reference: SurfaceLevelsDocument
) -> None:
    slab = steps.surface.slab.copy()
    slab.translate_sites(range(len(slab)), [0, 0, 0.5])
    shifted = levels(steps, steps.surface.model_copy(update={"slab": slab}))
    assert shifted.ionization_potential == pytest.approx(reference.ionization_potential, abs=0.005)


def test_a_slab_doubled_laterally(steps: SurfaceSteps, reference: SurfaceLevelsDocument) -> None:
    slab = steps.surface.slab.copy()
    slab.make_supercell([2, 1, 1])
    doubled = levels(
        steps, steps.surface.model_copy(update={"slab": slab, "area": 2 * steps.surface.area})
    )
    assert doubled.ionization_potential == pytest.approx(reference.ionization_potential, abs=0.005)
    assert doubled.surface_energy == pytest.approx(reference.surface_energy, abs=0.02)


def test_a_slab_two_layers_thicker(steps: SurfaceSteps, reference: SurfaceLevelsDocument) -> None:
    thicker = levels(steps, surface(steps.bulk.structure, 7))
    assert thicker.ionization_potential == pytest.approx(reference.ionization_potential, abs=0.030)
    assert thicker.surface_energy == pytest.approx(reference.surface_energy, abs=0.02)
