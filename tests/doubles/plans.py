"""Small plans of real crystals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from surfalign.workflows.planning import survey
from surfalign.workflows.planning.crystals import find_candidates


def write_plan(path: Path, names: Sequence[str] = ("MgO", "SrO"), max_index: int = 1) -> Path:
    """Write the plan of library crystals: their surfaces of types A and B up to an index."""
    settings = survey.PlanSettings(max_index=max_index, types="AB")
    crystals, surfaces = {}, []
    for candidate in find_candidates(names):
        crystal = survey.examine(candidate, settings)
        assert not isinstance(crystal, str), crystal
        found = survey.survey_crystal(crystal, settings)
        assert not isinstance(found, str), found
        crystals[crystal.key] = crystal
        surfaces += found
    survey.write_plan(path, surfaces, crystals, settings)
    return path
