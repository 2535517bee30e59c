"""Reading plans: crystal by crystal, and what is wrong with a file that is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pymatgen.core import Structure

from surfalign.errors import ConfigurationError
from surfalign.workflows.engines.engine import get_engine
from surfalign.workflows.planning import survey
from surfalign.workflows.planning.crystals import find_candidates
from surfalign.workflows.planning.plan_file import crystal_flow, read_plan


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan of two surfaces each of two crystals."""
    settings = survey.PlanSettings(max_index=1, max_per_crystal=2, slab_thickness=8.0)
    crystals, surfaces = {}, []
    for candidate in find_candidates(["MgO", "CaO"]):
        crystal = survey.examine(candidate, settings)
        assert not isinstance(crystal, str)
        crystals[crystal.key] = crystal
        found = survey.survey_crystal(crystal, settings)
        assert not isinstance(found, str)
        surfaces += found
    path = tmp_path_factory.mktemp("plan") / "plan.jsonl"
    survey.write_plan(path, surfaces[::-1], crystals, settings)
    return path


def test_every_surface_comes_with_its_crystal(plan: Path) -> None:
    read = list(read_plan(plan))
    assert sorted(crystal.formula for crystal, _ in read) == ["CaO", "MgO"]
    for crystal, surfaces in read:
        assert len(surfaces) == 2
        assert {surface.crystal for surface in surfaces} == {crystal.key}
        assert all(isinstance(surface.miller_index, tuple) for surface in surfaces)


def test_a_plan_that_was_cut_off_is_an_error(plan: Path, tmp_path: Path) -> None:
    lines = plan.read_text().splitlines(keepends=True)
    broken = tmp_path / "broken.jsonl"
    broken.write_text("".join(line for line in lines if json.loads(line).get("formula") != "CaO" or
                              json.loads(line)["kind"] == "surface"))  # fmt: skip
    with pytest.raises(ConfigurationError, match="lacks the crystals of 2 surfaces"):
        list(read_plan(broken))
    broken.write_text("".join(lines)[:-30])
    with pytest.raises(ConfigurationError, match="is no JSON"):
        list(read_plan(broken))
    broken.write_text("hello\n")
    with pytest.raises(ConfigurationError, match="holds no surfaces"):
        list(read_plan(broken))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        list(read_plan(tmp_path / "absent.jsonl"))


def test_a_plan_of_another_version_is_an_error(plan: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(plan.read_text().replace('"n_atoms"', '"atoms"'))
    with pytest.raises(ConfigurationError, match=r"PlannedSurface.*has the keys area, atoms"):
        list(read_plan(other))


def test_notes_travel_with_the_flow_and_make_no_step_another_one(plan: Path) -> None:
    crystal, surfaces = next(read_plan(plan))
    structure = Structure.from_dict(crystal.structure)
    wanted = [(surface.name, surface.miller_index) for surface in surfaces]
    engine = get_engine("gpaw", quality="quick")
    bare = crystal_flow(structure, crystal.source, wanted, engine)
    noted = crystal_flow(structure, crystal.source, wanted, engine, notes=("it is unusual",))
    assert [job.uuid for job in noted.jobs] == [job.uuid for job in bare.jobs]
    assert noted.jobs[-1].function_args[-1] == ["it is unusual"]
