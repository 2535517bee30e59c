from __future__ import annotations

import sys

import pytest

from surfalign.errors import InsufficientMemoryError, MissingDependencyError
from surfalign.settings import load_settings
from surfalign.workflows.engines.gpaw import machine


@pytest.mark.parametrize(
    ("cores", "n_k_points", "n_atoms", "without", "with_scalapack"),
    [
        (1, [100], 100, 1, 1),
        (2, [10], 2, 2, 2),
        (4, [3], 2, 3, 3),
        (4, [10], 2, 4, 4),
        (8, [10], 2, 5, 5),  # eight processes have two rounds to do, as five have
        (16, [10], 2, 10, 10),
        (16, [1], 2, 1, 1),  # a small cell with one point keeps one process busy
        (16, [1], 40, 1, 4),  # a large one is divided
        (8, [3], 20, 3, 6),
        (8, [16, 3], 2, 3, 6),  # without, all meshes of a step bound its processes
    ],
)
def test_as_many_processes_as_make_it_faster_and_can_share_the_k_points(
    cores: int, n_k_points: list[int], n_atoms: int, without: int, with_scalapack: int
) -> None:
    for can_divide, expected in ((False, without), (True, with_scalapack)):
        chosen = machine.choose_processes(cores, n_k_points, n_atoms, can_divide_points=can_divide)
        assert chosen == expected
        for points in n_k_points:
            assert machine.split_processes(chosen, points, n_atoms, can_divide_points=can_divide), (
                "what is chosen can be split"
            )


def test_all_processes_of_a_split_have_work() -> None:
    split = machine.split_processes(4, 10, 2, can_divide_points=True)
    assert split is not None
    assert split.gpaw() == {"kpt": 4, "domain": 1, "band": 1}  # GPAW itself would take 2 x 2
    split = machine.split_processes(4, 3, 2, can_divide_points=True)
    assert split is not None
    assert (split.k_points, split.domains) == (2, 2)
    assert machine.split_processes(4, 3, 2, can_divide_points=False) is None


def test_one_process_needs_no_mpi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    command = machine.launch_command(load_settings(), 1, "a.module")
    assert command == [sys.executable, "-m", "a.module"]


def test_several_processes_without_mpirun_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingDependencyError, match="openmpi-bin"):
        machine.launch_command(load_settings(), 2, "a.module")


def test_a_set_launcher_is_used() -> None:
    settings = load_settings(mpi_command="srun -n {cores} --mpi=pmix")
    command = machine.launch_command(settings, 4, "a.module")
    assert command[:4] == ["srun", "-n", "4", "--mpi=pmix"]
    assert command[-2:] == ["-m", "a.module"]


def test_the_memory_estimate_grows_with_cell_bands_and_cutoff() -> None:
    cell = {"volume": 180.0, "cutoff": 400.0, "grid_spacing": 0.2, "n_bands": 28}
    cell |= {"n_k_points": 3, "processes": 2}
    base = machine.estimate_memory(**cell)
    changes = (
        {"volume": 360.0},
        {"cutoff": 600.0},
        {"grid_spacing": 0.1},
        {"n_bands": 56},
        {"n_k_points": 6},
    )
    for change in changes:
        assert machine.estimate_memory(**(cell | change)) > base


@pytest.mark.parametrize(
    ("cell", "measured"),
    [
        ({"volume": 18.7, "n_bands": 8, "n_k_points": 10}, 0.336),  # MgO bulk
        ({"volume": 181.9, "n_bands": 28, "n_k_points": 3}, 0.475),  # MgO(100), 12 atoms
    ],
)
def test_the_memory_estimate_is_near_the_measured(cell: dict[str, float], measured: float) -> None:
    estimate = machine.estimate_memory(**cell, cutoff=400.0, grid_spacing=0.22, processes=2)
    assert measured / 1.5 < estimate < measured * 1.5


def test_too_little_memory_names_the_estimate_and_the_limit() -> None:
    with pytest.raises(InsufficientMemoryError, match=r"about 3\.00 GB.*at most 2\.00 GB"):
        machine.require_memory(3.0, 2.0, "the ground state of In2O3")
    machine.require_memory(2.0, 3.0, "the ground state of In2O3")
