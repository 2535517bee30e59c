from __future__ import annotations

import re

import pytest
from pymatgen.core import Composition, Element, Lattice, Structure

from surfalign.crystals.sources import load_crystal
from surfalign.errors import MissingDatasetError
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.slabs.enumeration import enumerate_slabs
from surfalign.stores.vocabulary import Functional
from surfalign.workflows.engines.gpaw.cost import (
    START_TIME,
    cell_size,
    crystal_time,
    ground_state_time,
    n_electrons,
    slab_time,
)
from surfalign.workflows.engines.gpaw.datasets import VALENCE_ELECTRONS
from surfalign.workflows.engines.gpaw.makers import gpaw_engine
from surfalign.workflows.engines.gpaw.settings import QUICK, STANDARD
from surfalign.workflows.engines.step_resources import DeclaresResources


def test_the_table_of_valence_electrons_is_what_gpaw_generates() -> None:
    configurations = pytest.importorskip("gpaw.atom.configurations")
    for element, n_valence in VALENCE_ELECTRONS.items():
        cores, inner = re.match(
            r"(\[\w+\])?(.*)", configurations.parameters[element].get("core", "")
        ).groups()
        shells = set(re.findall(r"\d[spdf]", inner))
        n_core = Element(cores.strip("[]")).Z if cores else 0
        for n, angular, occupation, _ in configurations.configurations[element][1]:
            n_core += occupation if f"{n}{'spdf'[angular]}" in shells else 0
        assert n_valence == Element(element).Z - n_core, element


def test_electrons_are_counted_over_the_cell() -> None:
    assert n_electrons(Composition("Mg2O2")) == 2 * (10 + 6)
    with pytest.raises(MissingDatasetError, match="Ce"):
        n_electrons(Composition("CeO2"))


def test_the_k_points_of_a_cubic_mesh_are_reduced_by_its_48_operations() -> None:
    size = cell_size(load_crystal("MgO").structure, QUICK, "bulk")
    assert (size.n_mesh_points, size.n_k_points) == (125, 10)
    assert size.n_plane_waves == pytest.approx(474, abs=1)  # GPAW counts 459 to 481


def test_steps_measured_on_one_core_are_foretold_within_a_factor_of_two() -> None:
    """Processor seconds of one machine; ratios between steps are those of any machine."""
    engine = gpaw_engine("quick")
    crystal = symmetrize(load_crystal("MgO").structure)
    slab = enumerate_slabs(crystal, (1, 0, 0), slab_thickness=12.5, vacuum_thickness=15.0)[0]
    bulk = load_crystal("MgO").structure
    for maker, cell, measured in (
        (engine.dielectric_maker, bulk, 7.0),
        (engine.band_edges_maker, bulk, 5.6),
        (engine.oriented_bulk_maker, slab.oriented_bulk, 3.0),
        (engine.slab_relax_maker, slab.slab, 31.7),
    ):
        assert isinstance(maker, DeclaresResources)
        expected = maker.resources(cell)
        assert measured / 2 < expected.core_hours * 3600 < 2 * measured, maker.name
        assert expected.cores == 1, "a step of a minute is not spread over cores"
        assert expected.wall_time >= 1800


def test_a_large_step_is_spread_over_cores_that_have_k_points_to_do() -> None:
    cell = Structure(Lattice.cubic(9.0), ["Ti"] * 16 + ["O"] * 32, _grid(48))
    asked = gpaw_engine("converged").slab_relax_maker.resources(cell)
    size = cell_size(cell, STANDARD, "slab")
    assert 1 < asked.cores <= cell_size(cell, STANDARD, "slab").n_mesh_points
    assert asked.wall_time * asked.cores >= 3 * 0.9 * asked.core_hours * 3600
    assert ground_state_time(size, 3) > 2.5 * ground_state_time(size, 1)


def test_a_slab_without_a_structure_costs_about_what_the_structure_would() -> None:
    crystal = symmetrize(load_crystal("TiO2-rutile").structure)
    for surface in enumerate_slabs(crystal, (1, 1, 0), slab_thickness=13.0, vacuum_thickness=15.0):
        height = surface.slab.volume / surface.area
        short = slab_time(surface.slab.composition, surface.area, height, STANDARD)
        full = ground_state_time(cell_size(surface.slab, STANDARD, "slab"))
        assert full / 2 < short < 2 * full


def test_what_surfaces_share_is_the_sum_of_the_steps_of_their_bulk() -> None:
    structure = load_crystal("MgO").structure
    for functional in (Functional.DDH, Functional.HSE06, Functional.PBESOL):
        engine = gpaw_engine("quick", functional=functional)
        steps = [engine.bulk_maker, engine.band_edges_maker]
        steps += [engine.dielectric_maker] if functional is Functional.DDH else []
        hours = sum(step.resources(structure).core_hours for step in steps)
        assert crystal_time(structure, QUICK, functional) == pytest.approx(hours * 3600)


def test_a_relaxed_slab_costs_several_ground_states_by_quality() -> None:
    cell = (Composition("Mg8O8"), 9.0, 30.0)
    times = [slab_time(*cell, QUICK, relaxed=relaxed) for relaxed in (False, True)]
    assert (times[1] - START_TIME) / (times[0] - START_TIME) == pytest.approx(3)


def test_a_crystal_of_elements_without_a_dataset_has_an_estimate() -> None:
    lattice = Lattice.cubic(5.41)
    oxides = [
        Structure.from_spacegroup("Fm-3m", lattice, [metal, "O"], [[0, 0, 0], [0.25, 0.25, 0.25]])
        for metal in ("Ce", "Hf")
    ]
    # Cerium has none, and counts twelve electrons, as many as hafnium has.
    times = [crystal_time(oxide, QUICK, Functional.DDH) for oxide in oxides]
    assert times[0] == pytest.approx(times[1])


def _grid(n: int) -> list[list[float]]:
    """Return places without any symmetry between them."""
    return [[(i * 0.377) % 1, (i * 0.618) % 1, (i * 0.193) % 1] for i in range(n)]
