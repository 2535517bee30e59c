"""Nothing but the engines' own folder asks which engine it is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from surfalign.crystals.sources import load_crystal
from surfalign.workflows.engines.engine import ENGINES, get_engine
from surfalign.workflows.flows import BandAlignmentMaker

ROOT = Path(__file__).parents[2]
#: They tell what a machine lacks for each engine: its program, its licence.
CHECKS_OF_AN_INSTALLATION = {"launchers/doctor/installation.py", "launchers/doctor/profile.py"}


def sources() -> list[Path]:
    folders = [ROOT / name for name in ("workflows", "launchers", "stores", "ml", "src/surfalign")]
    engines = ROOT / "workflows" / "engines"
    return sorted(
        path
        for folder in folders
        for path in folder.rglob("*.py")
        if engines not in path.parents
        and not path.is_symlink()
        and str(path.relative_to(ROOT)) not in CHECKS_OF_AN_INSTALLATION
    )


def branches_on_an_engine(text: str) -> list[int]:
    """Lines that compare something with the name of an engine, match it, or index by it."""
    names = set(ENGINES)
    found = []
    for node in ast.walk(ast.parse(text)):
        parts: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.match_case):
            parts = [node.pattern]
        elif isinstance(node, ast.Subscript):
            parts = [node.slice]
        constants = [c for part in parts for c in ast.walk(part) if isinstance(c, ast.Constant)]
        if any(isinstance(c.value, str) and c.value in names for c in constants):
            found.append(constants[0].lineno)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "if engine.name == 'vasp': pass",
        "x = 1 if name in ('gpaw', None) else 2",
        "match name:\n    case 'vasp': pass",
        "commands['gpaw']",
    ],
)
def test_the_search_finds_branches(text: str) -> None:
    assert branches_on_an_engine(text)


def test_no_module_outside_the_engines_branches_on_their_names() -> None:
    files = sources()
    assert ROOT / "workflows" / "flows.py" in files
    found = {str(path): branches_on_an_engine(path.read_text()) for path in files}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_the_same_maker_builds_the_flow_of_every_engine() -> None:
    mgo = load_crystal("MgO").structure
    steps = {}
    for name in ENGINES:
        engine = get_engine(name, quality="standard", functional="ddh")
        flow = BandAlignmentMaker(engine=engine).make(mgo)
        steps[name] = [job.metadata["step"] for job in flow.jobs]
    assert len(steps) >= 2
    assert set(map(tuple, steps.values())) == {("bulk", "dielectric", "band edges", "surfaces")}
