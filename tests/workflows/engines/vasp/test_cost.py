from __future__ import annotations

import math

import pytest
from pymatgen.core import Structure

from surfalign.stores.documents import SurfaceDescription
from surfalign.workflows.engines.engine import Engine, get_engine
from surfalign.workflows.engines.step_resources import StepResources
from surfalign.workflows.engines.vasp.cost import (
    LEAST_WALL_TIME,
    MARGIN,
    MOST_PROCESSORS,
    RATES,
    Work,
    cycle_work,
    default_bands,
    estimate,
    exchange_work,
    parallel_tags,
    size_of,
)
from surfalign.workflows.engines.vasp.inputs.kpoints import bulk_mesh
from surfalign.workflows.engines.vasp.makers import vasp_engine
from surfalign.workflows.flows import BandAlignmentMaker


@pytest.fixture(scope="module")
def engine() -> Engine:
    return vasp_engine()


def test_the_numbers_of_a_calculation(mgo: Structure) -> None:
    size = size_of(mgo, 520.0, bulk_mesh(mgo, 0.35))
    assert size.n_electrons == 8
    assert size.n_bands == 8  # VASP's rule: 4 occupied + 1 + 3
    assert size.n_occupied == 4
    # a sphere of radius sqrt(E / Ry) / bohr in reciprocal space
    radius = math.sqrt(520 / 13.605693) / 0.529177
    assert size.n_plane_waves == pytest.approx(mgo.volume * radius**3 / (6 * math.pi**2), rel=1e-5)
    assert size.n_grid / size.n_plane_waves == pytest.approx(48 / math.pi, rel=1e-6)
    assert size.n_k_points == 29
    spinors = size_of(mgo, 520.0, bulk_mesh(mgo, 0.35), spinors=True)
    assert spinors.n_bands == 2 * size.n_bands == default_bands(mgo, spinors=True)


def test_work_scales_as_it_must(mgo: Structure) -> None:
    cell, mesh = mgo * (2, 2, 1), bulk_mesh(mgo, 3.0)
    size, double = size_of(cell, 520.0, mesh), size_of(cell * (1, 1, 2), 520.0, mesh)
    per_point = cycle_work(size).products / size.n_k_points
    doubled = cycle_work(double).products / double.n_k_points
    assert 6 < doubled / per_point < 9, "cubic in the size"
    once = exchange_work(size, 100)
    assert exchange_work(size, 200).fourier == pytest.approx(2 * once.fourier)
    assert once.products == 0
    assert Work(*RATES["cpu"]).seconds("cpu") == pytest.approx(2.0)


def test_what_is_asked_for_carries_the_margin(mgo: Structure) -> None:
    size = size_of(mgo * (2, 2, 2), 520.0, bulk_mesh(mgo, 0.35))
    small = estimate(size, Work(), "cpu")
    assert small.wall_time == LEAST_WALL_TIME
    hours = 40.0
    large = estimate(size, Work(products=hours * 3600 * RATES["cpu"][1]), "cpu")
    assert large.cores == 32  # about an hour each, a power of two
    assert large.core_hours == pytest.approx(hours, rel=0.05)
    assert large.wall_time >= MARGIN * large.core_hours / large.cores * 3600 - 1
    assert large.gpus == 0
    huge = estimate(size, Work(products=1e20), "cpu")
    assert huge.cores == MOST_PROCESSORS["cpu"]
    gpu = estimate(size, Work(fourier=3 * 3600 * RATES["gpu"][0]), "gpu")
    assert gpu.gpus == gpu.cores == 2
    assert gpu.kind == "gpu"


@pytest.mark.parametrize("cores", [1, 4, 6, 24, 64, 96, 128])
@pytest.mark.parametrize("n_k_points", [1, 2, 7, 12, 29, 60])
def test_groups_of_k_points_divide_the_cores(cores: int, n_k_points: int) -> None:
    tags = parallel_tags(n_k_points, cores)
    assert cores % tags["KPAR"] == 0
    assert tags["KPAR"] <= n_k_points
    group = cores // tags["KPAR"]
    assert group % tags["NCORE"] == 0
    rounds = math.ceil(n_k_points / tags["KPAR"])
    assert n_k_points / (rounds * tags["KPAR"]) >= 0.75 or tags["KPAR"] == 1


@pytest.mark.parametrize(("cores", "node"), [(72, 36), (144, 36), (256, 128), (192, 48), (40, 20)])
@pytest.mark.parametrize("n_k_points", [1, 2, 7])
def test_the_cores_of_a_band_lie_on_one_node(cores: int, node: int, n_k_points: int) -> None:
    tags = parallel_tags(n_k_points, cores, node_cores=node)
    assert node % tags["NCORE"] == 0
    assert cores // tags["KPAR"] % tags["NCORE"] == 0


def test_gpus_and_responses_share_no_band() -> None:
    assert parallel_tags(12, 64, gpus=4) == {"KPAR": 4, "NCORE": 1}
    assert parallel_tags(1, 64, response=True) == {"KPAR": 1, "NCORE": 1}
    assert parallel_tags(1, 64) == {"KPAR": 1, "NCORE": 8}


def test_hybrids_go_to_gpus_and_slabs_to_cores(
    engine: Engine, mgo: Structure, mgo_surface: SurfaceDescription
) -> None:
    needs: dict[str, StepResources] = {
        "bulk": engine.bulk_maker.resources(mgo),
        "dielectric": engine.dielectric_maker.resources(mgo),
        "band edges": engine.band_edges_maker.resources(mgo),
        "relaxation": engine.slab_relax_maker.resources(mgo_surface.slab),
        "potential": engine.slab_potential_maker.resources(mgo_surface.slab),
    }
    assert {step: n.kind for step, n in needs.items() if n.kind == "gpu"} == {"band edges": "gpu"}
    assert needs["relaxation"].core_hours > 3 * needs["potential"].core_hours
    assert all(n.memory > 0 and n.wall_time >= LEAST_WALL_TIME for n in needs.values())
    semilocal = vasp_engine(functional="pbesol").band_edges_maker
    assert semilocal.resources(mgo).kind == "cpu"


def test_the_jobs_of_a_flow_declare_what_they_need(engine: Engine, mgo: Structure) -> None:
    flow = BandAlignmentMaker(engine=engine).make(mgo)
    declared = {job.metadata["step"]: job.metadata.get("resources") for job in flow.jobs}
    assert declared["band edges"]["kind"] == "gpu"
    assert declared["bulk"]["kind"] == "cpu"
    assert declared["bulk"]["cores"] >= 1
    assert declared["surfaces"] is None


def test_resources_are_no_part_of_an_identity(
    mgo: Structure, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [job.uuid for job in BandAlignmentMaker(engine=vasp_engine()).make(mgo).jobs]
    monkeypatch.setenv("SURFALIGN_CORES", "128")
    monkeypatch.setenv("SLURM_NTASKS", "64")
    monkeypatch.setenv("ATOMATE2_VASP_CMD", "srun another_vasp")
    monkeypatch.setattr(
        "surfalign.workflows.engines.vasp.cost.RATES", {"cpu": (1.0, 1.0), "gpu": (1.0, 1.0)}
    )
    again = [job.uuid for job in BandAlignmentMaker(engine=vasp_engine()).make(mgo).jobs]
    assert again == first
    other = get_engine("vasp", quality="standard", functional="ddh", hubbard_u=True)
    changed = [job.uuid for job in BandAlignmentMaker(engine=other).make(mgo).jobs]
    assert not set(changed) & set(first)
