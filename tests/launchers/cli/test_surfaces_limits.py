"""``surfalign surfaces`` and ``plan`` on crystals that are no oxide crystals, or too much for them."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from typer.testing import CliRunner

from surfalign.errors import (
    InvalidStructureError,
    OverlappingAtomsError,
    PartialOccupancyError,
    TimeLimitError,
)
from surfalign.launchers.cli.main import app
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.slabs.enumeration import survey_orientation
from surfalign.workflows.planning import orientation_survey
from surfalign.workflows.planning import survey as campaigns
from surfalign.workflows.planning.time_limit import REPEAT_SECONDS, time_limit

runner = CliRunner()
MAGNESIA = Structure.from_spacegroup(
    225, Lattice.cubic(4.21), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]
)


def _many_orientations() -> Structure:
    """A large triclinic cell with an inversion centre: hundreds of slabs of thousands of atoms."""
    large = MAGNESIA * (4, 4, 4)
    fractional = large.frac_coords
    noise = 0.003 * np.random.default_rng(0).normal(size=fractional.shape)
    places = {tuple(np.round(x % 1.0, 4) % 1.0): i for i, x in enumerate(fractional)}
    image = [places[tuple(np.round(-x % 1.0, 4) % 1.0)] for x in fractional]
    return Structure(large.lattice, large.species, fractional + 0.5 * (noise - noise[image]))


def _surfaces(structure: Structure, folder: Path, *options: str) -> tuple[object, list[dict]]:
    structure.to(filename=str(folder / "crystal.json"))
    target = folder / "out" / "surfaces.json"
    result = runner.invoke(
        app, ["surfaces", str(folder / "crystal.json"), "--json", str(target), *options]
    )
    return result.exception, json.loads(target.read_text()) if target.exists() else []


@pytest.mark.parametrize(
    ("structure", "error"),
    [
        (Structure(Lattice.cubic(4.2), [{"Mg": 0.5, "Ca": 0.5}, "O"], [[0] * 3, [0.5] * 3]),
         PartialOccupancyError),
        (Structure(Lattice.cubic(3.3), ["O"], [[0, 0, 0]]), InvalidStructureError),
        (Structure(Lattice.cubic(4.2), ["Mg", "O"], [[0, 0, 0], [0, 0, 1e-3]]),
         OverlappingAtomsError),
    ],
    ids=["disordered", "one atom", "overlapping"],
)  # fmt: skip
def test_what_is_no_oxide_crystal_is_named(
    structure: Structure, error: type[Exception], tmp_path: Path
) -> None:
    exception, records = _surfaces(structure, tmp_path)
    assert type(exception) is error
    assert records == []


@pytest.mark.parametrize(
    ("structure", "n_slabs"),
    [
        # One sheet of MgO with 17 angstrom of vacuum: its cut in the vacuum is one of the surfaces.
        (Structure(Lattice.tetragonal(2.98, 20), ["Mg", "O"], [[0, 0, 0.5], [0.5, 0.5, 0.5]]), 1),
        (Structure(Lattice.cubic(9), ["O", "H", "H"],
                   [[0.5] * 3, [0.58, 0.565, 0.5], [0.42, 0.565, 0.5]]), 1),
        (Structure(Lattice.from_parameters(5.1, 6.3, 7.7, 83, 98, 106), ["Mg", "Mg", "O", "O"],
                   [[0.2, 0.1, 0.3], [0.5, 0.6, 0.2], [0.1, 0.5, 0.05], [0.66, 0.41, 0.27]]), 0),
    ],
    ids=["sheet", "molecule", "no symmetry"],
)  # fmt: skip
def test_isolated_units_and_crystals_without_symmetry_give_a_result(
    structure: Structure, n_slabs: int, tmp_path: Path
) -> None:
    exception, records = _surfaces(structure, tmp_path, "--slab-thickness", "8")
    assert exception is None
    assert len([r for r in records if r["state"] == "slab"]) >= n_slabs
    assert all(r["state"] == "slab" for r in records)


def test_search_that_takes_too_long_ends_with_a_named_error(tmp_path: Path) -> None:
    exception, _ = _surfaces(_many_orientations(), tmp_path, "--time-limit", "1")
    assert isinstance(exception, TimeLimitError)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the survey of MgO(110) use up all the time that there is."""

    def survey(structure: object, index: tuple[int, int, int], **options: object) -> object:
        crystal = symmetrize(structure)
        if (crystal.formula, index) == ("MgO", (1, 1, 0)):
            # The limit is used up here and nowhere else, however slow the machine is.
            signal.setitimer(signal.ITIMER_REAL, 1e-3, REPEAT_SECONDS)
            time.sleep(600)
        return survey_orientation(crystal, index, **options)

    monkeypatch.setattr(orientation_survey, "survey_orientation", survey)
    monkeypatch.setattr(campaigns, "survey_orientation", survey)


@pytest.mark.usefixtures("hanging")
def test_time_limit_ends_the_search_and_tells_what_is_missing(tmp_path: Path) -> None:
    exception, records = _surfaces(MAGNESIA, tmp_path, "--time-limit", "600")
    assert isinstance(exception, TimeLimitError)
    assert "not searched: (110)" in str(exception)
    left = [record for record in records if record["state"] == "not_searched"]
    assert [record["miller_index"] for record in left] == [[1, 1, 0]]
    assert {record["reason"] for record in left} == {"time_limit"}
    # What was found before is there.
    assert "MgO(100)-A" in {record.get("name") for record in records}


@pytest.mark.usefixtures("hanging")
def test_plan_goes_on_without_a_crystal_that_takes_too_long(tmp_path: Path) -> None:
    lime = MAGNESIA.copy()
    lime.replace_species({"Mg": "Ca"})
    lime.to(filename=str(tmp_path / "lime.json"))
    MAGNESIA.to(filename=str(tmp_path / "magnesia.json"))
    result = runner.invoke(
        app,
        ["plan", str(tmp_path), "-o", str(tmp_path / "plan.jsonl"), "--max-index", "1",
         "--time-limit", "600", "--cores", "1"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "time_limit 1" in result.output
    assert "magnesia" in result.output.split("Not done within 600 s (--time-limit):")[1]
    plan = (tmp_path / "plan.jsonl").read_text()
    assert '"name": "CaO(100)-A"' in plan
    assert "MgO" not in plan


def test_time_limit_names_what_took_long_and_leaves_other_alarms_alone() -> None:
    before, _ = signal.getitimer(signal.ITIMER_REAL)
    with (
        pytest.raises(TimeLimitError, match=r"the crystal took longer than 0\.05 s"),
        time_limit(0.05, "the crystal"),
    ):
        time.sleep(60)
    with time_limit(30, "the crystal"):
        pass
    after, _ = signal.getitimer(signal.ITIMER_REAL)
    assert after <= before
    assert (after > 0) == (before > 0)


def test_time_limit_holds_where_an_exception_would_be_lost() -> None:
    class Slow:
        def __del__(self) -> None:
            time.sleep(0.3)

    def finalize() -> None:
        slow = Slow()
        del slow
        time.sleep(60)

    def swallow() -> None:
        with contextlib.suppress(TimeLimitError):
            time.sleep(60)
        time.sleep(60)

    def call_back() -> None:
        slow = Slow()
        reference = weakref.ref(slow, lambda _: time.sleep(0.3))
        del slow
        assert reference() is None
        time.sleep(60)

    for work in (finalize, swallow, call_back):
        with pytest.raises(TimeLimitError), time_limit(0.1, "the crystal"):
            work()


def test_time_limit_that_ends_with_its_block_leaves_nothing_behind() -> None:
    """Alarms at every moment of entering and leaving."""
    handler, hook = signal.getsignal(signal.SIGALRM), sys.unraisablehook
    for number in range(1, 400):
        with contextlib.suppress(TimeLimitError), time_limit(number * 1e-6, "the crystal"):
            time.sleep(1e-4)
        assert signal.getsignal(signal.SIGALRM) is handler
        assert sys.unraisablehook is hook


def test_time_limit_shows_through_the_errors_of_libraries() -> None:
    def replace() -> None:
        try:
            signal.raise_signal(signal.SIGALRM)
        except Exception as error:
            raise RuntimeError("something failed") from error

    def swallow() -> None:
        with contextlib.suppress(Exception):
            signal.raise_signal(signal.SIGALRM)

    for work in (replace, swallow):
        with (
            pytest.raises(TimeLimitError, match="the crystal took"),
            time_limit(600, "the crystal"),
        ):
            work()
