"""The rule that divides the machine, by hand and by simulation."""

from __future__ import annotations

import math

import pytest

from surfalign.launchers.local.shares import Need, Share, divide, more_memory, need_of
from surfalign.workflows.engines.gpaw.machine import choose_processes

EIGHT = Share(cores=8, memory=16.0)
ANY = need_of(None, EIGHT)


def cores(machine: Share, running: list[Share], waiting: list[Need]) -> list[int]:
    return [share.cores for share in divide(machine, running, waiting)]


@pytest.mark.parametrize(
    ("running", "waiting", "expected"),
    [
        ([], 1, [8]),
        ([], 3, [3, 3, 2]),
        ([], 8, [1] * 8),
        ([], 20, [1] * 8),
        ([Share(1, 2.0)] * 6, 1, [2]),
        ([Share(1, 2.0)] * 6, 5, [1, 1]),
        ([Share(8, 16.0)], 5, []),
        ([], 0, []),
    ],
)
def test_as_many_start_as_there_are_cores_and_the_rest_is_shared(
    running: list[Share], waiting: int, expected: list[int]
) -> None:
    assert cores(EIGHT, running, [ANY] * waiting) == expected


def test_a_job_alone_gets_all_memory() -> None:
    assert divide(EIGHT, [], [ANY]) == [EIGHT]


def test_memory_bounds_what_starts_and_the_first_in_line_is_not_overtaken() -> None:
    large, small = Need(1, 8, 12.0), Need(1, 8, 2.0)
    assert cores(EIGHT, [], [large, small, small, small]) == [3, 3, 2]
    assert divide(EIGHT, [Share(1, 8.0)], [large, small]) == []
    assert more_memory(small, EIGHT) == Need(1, 8, 4.0)
    assert more_memory(large, EIGHT) == Need(1, 8, 16.0)
    assert more_memory(Need(1, 8, 16.0), EIGHT) is None


def test_a_step_with_a_command_of_its_own_gets_the_machine() -> None:
    whole = need_of({"cores": 4, "memory": 1.0}, EIGHT)
    assert divide(EIGHT, [Share(1, 2.0)], [whole, ANY]) == []
    assert divide(EIGHT, [], [whole, ANY]) == [EIGHT]


#: Steps of one surface after the bulk: time on one core (s), irreducible k-points, what it waits for.
SURFACE = {
    "oriented": (20, 6, None),
    "relaxation": (300, 3, None),
    "potential": (40, 3, "relaxation"),
}
BULK = {"bulk": (8, 10, None), "dielectric": (30, 8, "bulk"), "edges": (40, 16, "dielectric")}


def simulate(machine: Share, *, crystals: int, surfaces: int, alike: bool) -> float:
    """Return the time of a run whose steps share their k-points, and nothing else, among cores."""
    steps: dict[str, tuple[float, int, str | None]] = {}
    for c in range(crystals):
        for name, (time, points, after) in BULK.items():
            steps[f"{c} {name}"] = (time, points, f"{c} {after}" if after else None)
        for s in range(surfaces):
            size = 1.0 if alike else 0.6 + 0.1 * s
            for name, (time, points, after) in SURFACE.items():
                wait = f"{c} {s} {after}" if after else f"{c} edges"
                steps[f"{c} {s} {name}"] = (time * size, points, wait)
    height = dict.fromkeys(steps, 1)
    for name in reversed(steps):
        if (after := steps[name][2]) is not None:
            height[after] = max(height[after], height[name] + 1)
    now, done, running = 0.0, set(), {}
    while len(done) < len(steps):
        ready = [n for n, (_, _, after) in steps.items()
                 if n not in done and n not in running and (after is None or after in done)]  # fmt: skip
        ready.sort(key=lambda name: -height[name])
        needs = [need_of(None, machine)] * len(ready)
        shares = divide(machine, [share for _, share in running.values()], needs)
        for name, share in zip(ready, shares, strict=False):
            time, points, _ = steps[name]
            ranks = choose_processes(share.cores, [points], 20, can_divide_points=False)
            running[name] = (now + time * math.ceil(points / ranks) / points, share)
        first = min(running, key=lambda name: running[name][0])
        now = running.pop(first)[0]
        done.add(first)
    return now


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize(("crystals", "surfaces"), [(8, 1), (1, 8), (2, 4)])
def test_eight_cores_are_five_times_faster_than_one_on_eight_surfaces(
    crystals: int, surfaces: int, alike: bool
) -> None:
    times = [
        simulate(Share(n, 2.0 * n), crystals=crystals, surfaces=surfaces, alike=alike)
        for n in (1, 8)
    ]
    assert times[0] / times[1] >= 5.0
