"""The makers against real GPAW on the smallest crystals, and their errors."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import psutil
import pytest
from ase.constraints import FixSymmetry
from jobflow import Job, JobStore
from maggma.stores import MemoryStore
from monty.json import MontyDecoder
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure

from surfalign.crystals.sources import load_crystal
from surfalign.errors import (
    ConvergenceError,
    EngineError,
    EngineKilledError,
    InsufficientMemoryError,
    MetallicError,
    MissingDatasetError,
)
from surfalign.stores.documents import Quality
from surfalign.workflows.engines.gpaw.calculator import ParallelGPAW, plain_atoms
from surfalign.workflows.engines.gpaw.engine_process import EngineProcess
from surfalign.workflows.engines.gpaw.makers import (
    GpawBandEdgesMaker,
    GpawBulkMaker,
    GpawDielectricMaker,
    GpawSlabPotentialMaker,
    GpawSlabRelaxMaker,
    gpaw_engine,
    largest_force,
    plain_copy,
    sampling_of,
)
from surfalign.workflows.engines.gpaw.settings import QUICK, STANDARD

FloatArray = NDArray[np.float64]
#: Coarser than any preset: these tests are about behaviour, not about accuracy.
COARSE = replace(QUICK, quality="custom", cutoff=350.0, k_spacing=0.9, density_tolerance=2e-5)


def compute(job: Job) -> Any:
    """Run a job in a store of its own and return its document."""
    store = JobStore(MemoryStore())
    store.connect()
    return job.run(store=store).output


def fcc(metal: str, lattice: float) -> Structure:
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(lattice), [metal], [[0, 0, 0]])


@pytest.fixture
def mgo() -> Structure:
    crystal = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(4.21), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    return crystal.get_primitive_structure()


@pytest.fixture
def mgo_slab() -> Structure:
    """Three layers of MgO(100), 10 angstrom of vacuum; a site property to be kept."""
    half = 4.21 / 2
    height = 2 * half + 10.0
    side = 4.21 / np.sqrt(2)
    species, coordinates = [], []
    for layer in range(3):
        shift = 0.5 * (layer % 2)
        z = 0.5 + (layer - 1) * half / height
        species += ["Mg", "O"]
        coordinates += [[shift, shift, z], [0.5 - shift, 0.5 - shift, z]]
    lattice = Lattice.orthorhombic(side, side, height)
    return Structure(
        lattice, species, coordinates, site_properties={"bulk_site": [0, 1, 0, 1, 0, 1]}
    )


@pytest.fixture
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURFALIGN_CORES", "1")


# --- makers without a calculation -------------------------------------------------------------


def mesh_points(divisions: int) -> FloatArray:
    """The even mesh on which the engine looks for band edges (that of ``child.band_edges``)."""
    axis = np.arange(divisions) / divisions
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)


def along_the_corners(points: Any) -> FloatArray:
    """A band of a hexagon's lattice: 1 at Gamma, -1/2 at its corners K, least there."""
    vectors = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]], dtype=float)
    return np.asarray(np.cos(2 * np.pi * np.asarray(points) @ vectors.T).mean(axis=1))


@pytest.mark.parametrize("edge", ["valence", "conduction"])
def test_a_band_edge_at_a_point_that_even_meshes_do_not_hold_is_flagged(edge: str) -> None:
    """K of a hexagonal zone: thirds are on no mesh of 2, 4 or 8."""
    crystal = load_crystal("ZnO").structure
    points = mesh_points(4)
    band = along_the_corners(points)
    missed = float(band.min() + 0.5)
    assert missed > 0.1
    found = sampling_of(
        crystal,
        {
            "sampled_k_points": points.tolist(),
            "highest_filled": (0.0 - 4 * band * (edge == "valence")).tolist(),
            "lowest_empty": (5.0 + 4 * band * (edge == "conduction")).tolist(),
        },
    )
    assert any(np.allclose(np.sort(np.array(p) % 1), [0, 1 / 3, 1 / 3]) for p in found.missing)
    check = found.check()
    assert not check.passed
    assert check.value == pytest.approx(4 * missed, rel=0.2)
    assert check.name == "edge_sampling"
    assert "points of symmetry that the k-points do not hold" in check.reason


def test_a_band_edge_at_gamma_is_no_cause_for_a_flag() -> None:
    crystal = load_crystal("ZnO").structure
    points = mesh_points(4)
    band = along_the_corners(points)
    answer = {
        "sampled_k_points": points.tolist(),
        "highest_filled": (2 * band).tolist(),
        "lowest_empty": (8.0 - 3 * band).tolist(),
    }
    found = sampling_of(crystal, answer)
    assert found.missing
    assert found.check().value == 0.0
    assert found.notes == []


@pytest.mark.parametrize("quality", list(Quality))
def test_an_engine_has_the_thicknesses_of_its_preset(quality: Quality) -> None:
    engine = gpaw_engine(quality, "hse06")
    assert engine.functional == engine.band_edges_maker.functional == "hse06"
    assert engine.slab_thickness == engine.slab_relax_maker.settings.slab_thickness
    assert engine.quality == quality.value


@pytest.mark.dft
def test_a_cut_off_that_asks_for_a_finer_grid_than_the_preset_gets_it() -> None:
    cao = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(4.8105), ["Ca", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    ).get_primitive_structure()
    settings = replace(COARSE, cutoff=600.0)  # with 0.19 angstrom GPAW refuses this cell
    assert compute(GpawBulkMaker(settings=settings).make(cao)).energy < 0


def test_makers_survive_serialisation() -> None:
    engine = gpaw_engine("standard", "ddh")
    for maker in (engine.bulk_maker, engine.slab_relax_maker, engine.band_edges_maker):
        again = MontyDecoder().decode(maker.to_json())
        assert again.to_json() == maker.to_json()
        assert again.settings == maker.settings


def test_resources_are_no_part_of_a_maker(monkeypatch: pytest.MonkeyPatch) -> None:
    before = gpaw_engine("quick", "ddh").slab_relax_maker.to_json()
    monkeypatch.setenv("SURFALIGN_CORES", "7")
    monkeypatch.setenv("SURFALIGN_MEMORY_LIMIT", "3")
    assert gpaw_engine("quick", "ddh").slab_relax_maker.to_json() == before


@pytest.mark.programs
def test_the_parent_side_never_imports_gpaw() -> None:
    code = (
        "import sys, surfalign.workflows.engines.gpaw.makers as makers;"
        "makers.gpaw_engine('quick', 'ddh');"
        # ase asks gpaw's plug-in for its formats; the engine itself must stay out
        "sys.exit(bool({'_gpaw', 'gpaw.new', 'gpaw.mpi'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode == 0


def test_an_element_without_a_dataset_is_named_before_anything_starts() -> None:
    ceria = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.41), ["Ce", "O"], [[0, 0, 0], [0.25, 0.25, 0.25]]
    )
    calculator = ParallelGPAW(COARSE, "bulk")
    with pytest.raises(MissingDatasetError, match="no PAW dataset for Ce"):
        calculator.get_potential_energy(plain_copy(ceria))
    assert calculator.engine is None


# --- real calculations ------------------------------------------------------------------------


@pytest.mark.dft
def test_mgo_bulk_gives_a_full_record(mgo: Structure, one_core: None) -> None:
    document = compute(GpawBulkMaker(settings=QUICK).make(mgo))
    # measured with this engine, 2026; GPAW 26.7 and its PBEsol datasets
    assert document.energy == pytest.approx(-12.339, abs=0.01)
    assert document.band_gap == pytest.approx(4.611, abs=0.02)
    assert document.max_force < 1e-3
    record = document.calculation
    assert record.engine_version.startswith("26.7")
    assert record.datasets.keys() == {"Mg", "O"}
    assert all("sha256:" in dataset for dataset in record.datasets.values())
    assert record.settings["cutoff"] == 500.0
    assert record.cores == 1
    assert 0 < record.cpu_time < 600
    assert record.peak_memory is not None
    assert 0.05 < record.peak_memory < 1.0
    assert all(check.passed for check in record.checks)


@pytest.mark.dft
def test_two_processes_give_the_energy_of_one(
    mgo: Structure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside a SLURM job too, where Open MPI would start processes through srun."""
    for name, value in {"JOBID": "1", "NODELIST": "elsewhere", "NNODES": "1"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    energies = []
    for cores in ("1", "2"):
        monkeypatch.setenv("SURFALIGN_CORES", cores)
        with ParallelGPAW(COARSE, "bulk") as calculator:
            energies.append(calculator.get_potential_energy(plain_copy(mgo)))
            assert calculator.engine is not None
            assert calculator.engine.processes == int(cores)
    assert energies[0] == pytest.approx(energies[1], abs=1e-5)


@pytest.mark.dft
def test_more_cores_than_k_points_give_the_energy_of_one(
    mgo: Structure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On as many processes as the calculator thinks right: one for a small cell's only k-point."""
    settings = replace(COARSE, cutoff=250.0, k_spacing=3.0)
    energies = {}
    for cores in (1, 3):
        monkeypatch.setenv("SURFALIGN_CORES", str(cores))
        with ParallelGPAW(settings, "bulk") as calculator:
            energies[cores] = calculator.get_potential_energy(plain_copy(mgo))
            assert calculator.mesh is not None
            assert calculator.mesh.n_points == 1
            assert calculator.engine is not None
            assert calculator.engine.processes == 1
    assert energies[3] == pytest.approx(energies[1], abs=1e-3)


@pytest.mark.dft
@pytest.mark.skipif(shutil.which("mpirun") is None, reason="no mpirun")
def test_processes_that_share_one_k_point_give_the_energy_of_one(mgo: Structure) -> None:
    task = {
        "atoms": plain_atoms(plain_copy(mgo)),
        "settings": replace(COARSE, cutoff=250.0).numerical(),
        "kpts": {"size": [1, 1, 1], "gamma": True},
    }
    energies = []
    with EngineProcess(1) as engine:
        plan = engine.call("plan", step="evaluate", **task)
        assert plan["n_k_points"] == [1]
        energies.append(engine.call("evaluate", **task)["energy"])
    for processes in (2, 3):
        with EngineProcess(processes) as engine:
            if plan["can_divide_points"]:
                energies.append(engine.call("evaluate", **task)["energy"])
            else:
                with pytest.raises(EngineError, match="this GPAW has no ScaLAPACK"):
                    engine.call("evaluate", **task)
    assert energies == pytest.approx([energies[0]] * len(energies), abs=1e-3)


@pytest.mark.dft
def test_the_equation_of_state_finds_mgo(mgo: Structure, one_core: None) -> None:
    mgo.scale_lattice(mgo.volume * 1.03)
    settings = replace(COARSE, cutoff=600.0, k_spacing=0.65)
    document = compute(GpawBulkMaker(settings=settings, equation_of_state=True).make(mgo))
    fit = document.equation_of_state
    lattice = (4 * fit.equilibrium_volume) ** (1 / 3)
    assert lattice == pytest.approx(4.217, abs=0.03)  # PBEsol: Phys. Rev. B 79, 155107 (2009)
    assert fit.bulk_modulus == pytest.approx(157.0, abs=12.0)
    assert fit.fit_residual < 0.01
    assert document.structure.volume == pytest.approx(fit.equilibrium_volume, rel=1e-6)


def test_the_largest_force_is_that_which_moves_the_ions(mgo: Structure) -> None:
    atoms = plain_copy(mgo)
    answer = {"forces": [[0.0, 0.0, 0.3], [0.0, 0.0, -0.4]]}
    assert largest_force(answer, atoms) == pytest.approx(0.4)
    atoms.set_constraint(FixSymmetry(atoms))  # inversion at both sites: no force is allowed
    assert largest_force(answer, atoms) == pytest.approx(0.0, abs=1e-9)
    assert answer["forces"][1] == [0.0, 0.0, -0.4]


@pytest.mark.dft
def test_a_relaxed_slab_keeps_cell_symmetry_and_site_properties(
    mgo_slab: Structure, one_core: None
) -> None:
    document = compute(GpawSlabRelaxMaker(settings=COARSE).make(mgo_slab))
    relaxed = document.structure
    assert document.converged
    assert 1 <= document.n_steps <= 8
    assert 0.0 < document.max_displacement < 0.2
    assert relaxed.lattice == mgo_slab.lattice
    assert relaxed.site_properties["bulk_site"] == [0, 1, 0, 1, 0, 1]
    heights = relaxed.frac_coords[:, 2]
    np.testing.assert_allclose(heights[:2] + heights[4:], 1.0, atol=1e-6)
    np.testing.assert_allclose(relaxed.frac_coords[:, :2], mgo_slab.frac_coords[:, :2], atol=1e-6)


@pytest.mark.dft
def test_the_potential_of_a_slab_is_flat_and_equal_on_both_sides(
    mgo_slab: Structure, one_core: None
) -> None:
    document = compute(GpawSlabPotentialMaker(settings=COARSE).make(mgo_slab))
    potential = np.array(document.planar_average)
    positions = np.array(document.positions)
    height = mgo_slab.lattice.c
    assert not document.dipole_corrected
    assert positions[0] == 0
    assert positions[-1] + positions[1] == pytest.approx(height)
    vacuum = (positions < 1.5) | (positions > height - 1.5)
    assert np.ptp(potential[vacuum]) < 0.01
    np.testing.assert_allclose(potential[1:], potential[:0:-1], atol=2e-3)
    # the electron is bound: its potential energy is lower in the slab than in the vacuum
    assert potential[vacuum].mean() - potential[~vacuum].mean() > 5.0
    sites = np.array(document.site_potentials)
    np.testing.assert_allclose(sites[:2], sites[4:], atol=2e-3)


@pytest.mark.dft
def test_site_potentials_follow_the_slab_when_it_is_shifted(
    mgo_slab: Structure, one_core: None
) -> None:
    """Their noise against the grid, 8 meV at 350 eV, is what an alignment by them inherits."""
    levels = []
    for shift in (0.0, 0.0123):
        moved = mgo_slab.copy()
        moved.translate_sites(range(6), [0, 0, shift])
        with ParallelGPAW(COARSE, "slab") as calculator:
            answer = calculator.request("potential", plain_copy(moved))
        levels.append(np.array(answer["site_potentials"]) - answer["planar_average"][0])
    np.testing.assert_allclose(levels[0], levels[1], atol=0.012)


@pytest.mark.dft
def test_faces_that_differ_get_a_dipole_correction(mgo_slab: Structure, one_core: None) -> None:
    mgo_slab.translate_sites([4], [0, 0, 0.02])  # Mg of the top layer, 0.3 angstrom outwards
    document = compute(GpawSlabPotentialMaker(settings=COARSE).make(mgo_slab))
    potential, positions = np.array(document.planar_average), np.array(document.positions)
    bottom = potential[(positions > 1.0) & (positions < 2.0)]
    height = mgo_slab.lattice.c
    top = potential[(positions > height - 2.0) & (positions < height - 1.0)]
    assert document.dipole_corrected
    assert np.ptp(bottom) < 0.05
    assert np.ptp(top) < 0.05
    assert abs(bottom.mean() - top.mean()) > 0.3


# --- errors of real calculations --------------------------------------------------------------


@pytest.mark.dft
def test_a_metal_is_an_error(one_core: None) -> None:
    aluminium = fcc("Al", 4.05).get_primitive_structure()
    aluminium.make_supercell([2, 1, 1])  # an even number of electrons
    with pytest.raises(MetallicError, match="closes"):
        compute(GpawBulkMaker(settings=COARSE).make(aluminium))


@pytest.mark.dft
def test_no_self_consistency_is_an_error(mgo: Structure, one_core: None) -> None:
    settings = replace(COARSE, max_scf_iterations=2)
    with pytest.raises(ConvergenceError, match="did not converge"):
        compute(GpawBulkMaker(settings=settings).make(mgo))


@pytest.mark.dft
def test_a_cell_too_large_for_the_memory_is_refused_before_it_is_computed(
    mgo: Structure, one_core: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURFALIGN_MEMORY_LIMIT", "0.3")
    mgo.make_supercell(3)
    with pytest.raises(InsufficientMemoryError, match=r"needs about .* GB.*at most 0\.30 GB"):
        compute(GpawBulkMaker(settings=STANDARD).make(mgo))


@pytest.mark.dft
@pytest.mark.processes
def test_a_killed_engine_is_a_named_error(
    mgo: Structure, one_core: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[str] = []

    def kill(engine: EngineProcess, report: str) -> None:
        reports.append(report)
        with suppress(psutil.NoSuchProcess):
            psutil.Process(engine.pid).kill()

    monkeypatch.setattr(EngineProcess, "say", kill)
    with (
        ParallelGPAW(COARSE, "bulk") as calculator,
        pytest.raises(EngineKilledError, match="signal 9"),
    ):
        calculator.get_potential_energy(plain_copy(mgo))
    assert reports[0] == "SCF iteration 1", "it was killed in the middle of its work"


@pytest.mark.dft
@pytest.mark.processes
@pytest.mark.parametrize("processes", [1, 2])
def test_the_engine_dies_with_a_killed_parent(processes: int) -> None:
    code = (
        "import sys, time\n"
        "from surfalign.workflows.engines.gpaw.engine_process import EngineProcess\n"
        f"with EngineProcess({processes}) as engine:\n"
        "    engine.call('about', elements=['O'])\n"
        "    print(engine.pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    launcher = psutil.Process(int(parent.stdout.readline()))
    family = [launcher, *launcher.children(recursive=True)]
    assert len(family) >= processes
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and any(_alive(member) for member in family):
        time.sleep(0.1)
    assert not [member for member in family if _alive(member)]


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.dft
@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize(("spacing", "missing"), [(0.7, False), (1.6, True)])
def test_band_edges_know_what_their_mesh_may_miss(
    spacing: float, missing: bool, mgo: Structure
) -> None:
    """W is on the mesh of 4 divisions and not on that of 2; the edges of MgO are at Gamma."""
    coarse = replace(COARSE, hybrid_k_spacing=spacing)
    record = compute(GpawBandEdgesMaker(settings=coarse, functional="pbesol").make(mgo)).calculation
    [check] = [check for check in record.checks if check.name == "edge_sampling"]
    assert check.passed
    assert check.value == 0.0
    assert ("(0.25, 0.5, 0.75)" in check.reason) is missing
    assert record.warnings == []


@pytest.mark.dft
@pytest.mark.usefixtures("one_core")
def test_the_record_of_a_response_says_how_it_was_sampled(mgo: Structure) -> None:
    coarse = replace(COARSE, dielectric_k_spacing=1.4)
    record = compute(GpawDielectricMaker(settings=coarse).make(mgo)).calculation
    assert record.settings["response_k_points"] == [2, 2, 2]
    assert record.settings["response_n_bands"] > 4
    assert record.settings["response_n_directions"] == 1
