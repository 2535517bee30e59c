"""``import surfalign``: its names and their arguments are frozen, and importing it loads nothing."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import surfalign

ROOT = Path(__file__).parents[1]
#: A change here is a change for every user: announce it in the changelog.
SIGNATURES = {
    "load_crystal": "(target: 'str | PathLike[str] | Structure | Crystal') -> 'Crystal'",
    "nonpolar_orientations": "(structure: 'AnyCrystal', max_index: 'int' = 1,"
    " symprec: 'float' = 0.01) -> 'list[Orientation]'",
    "enumerate_slabs": "(structure: 'AnyCrystal', miller_index: 'MillerIndex', *,"
    " slab_thickness: 'float' = 20.0, vacuum_thickness: 'float' = 15.0, symprec: 'float' = 0.01,"
    " plane_tolerance: 'float' = 0.1, corrugated: 'bool' = False) -> 'list[SurfaceSlab]'",
    "run_crystal": "(crystal: 'str | PathLike[str] | Structure | Crystal', *,"
    " miller_index: 'MillerIndex | Sequence[MillerIndex] | None' = None,"
    " max_index: 'int | None' = None, surface_names: 'Sequence[str] | None' = None,"
    " quality: 'str' = 'standard', functional: 'str' = 'ddh', relax_slabs: 'bool' = True,"
    " reuse: 'bool' = True, engine: 'str' = 'gpaw', database: 'Database | None' = None,"
    " on_event: 'Callable[[str], None] | None' = <built-in function print>,"
    " **engine_options: 'Any') -> 'Results'",
    "get_engine": "(name: 'str' = 'gpaw', *, quality: 'str' = 'standard',"
    " functional: 'str' = 'ddh', equation_of_state: 'bool' = False, **options: 'Any') -> 'Engine'",
    "open_database": "(settings: 'Settings | None' = None,"
    " announce: 'Callable[[str], None] | None' = None) -> 'Database'",
    "find": "(query: 'str | None' = None, *, sort: 'str | None' = None,"
    " descending: 'bool' = False, limit: 'int | None' = None, full: 'bool' = False,"
    " database: 'Database | None' = None) -> 'Results'",
    "predict": "(crystal: 'str | PathLike[str] | Structure | Crystal', *,"
    " miller_index: 'MillerIndex | Sequence[MillerIndex] | None' = None, max_index: 'int' = 1,"
    " model: 'str | None' = None, version: 'str | None' = None,"
    " registry: 'ModelRegistry | None' = None) -> 'Predictions'",
    "ModelRegistry": "(directory: 'Path | None' = None) -> 'None'",
    "SurfalignError": "(found: 'str', expected: 'str' = '', remedy: 'str' = '') -> 'None'",
}


def test_the_public_names_and_their_arguments_are_these() -> None:
    assert surfalign.__all__ == list(SIGNATURES)
    found = {name: str(inspect.signature(getattr(surfalign, name))) for name in surfalign.__all__}
    assert found == SIGNATURES
    assert set(dir(surfalign)) == {*SIGNATURES, "__version__"}


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse((ROOT / "src" / "surfalign" / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    declared = {
        alias.asname: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert declared == surfalign._PLACES


@pytest.mark.programs
def test_the_import_loads_nothing_but_itself() -> None:
    code = (
        "import sys; before = set(sys.modules); import surfalign; dir(surfalign);"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "surfalign" in loaded
    assert set(loaded) - set(sys.stdlib_module_names) == {"surfalign"}


@pytest.mark.programs
def test_no_public_name_loads_torch_or_an_engine() -> None:
    code = "import sys; from surfalign import *; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "surfalign.ml.models.prediction" in loaded
    assert {"torch", "pytorch_lightning", "gpaw", "atomate2", "sklearn"}.isdisjoint(loaded)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'compute'"):
        _ = surfalign.compute


def test_each_public_name_has_a_page_and_an_example() -> None:
    page = (ROOT / "docs" / "reference" / "public.md").read_text()
    for name in surfalign.__all__:
        assert f"`{name}`" in page
        assert f":: surfalign.{name}\n" in page
        assert f"surfalign.{name}(" in page or name == "SurfalignError"
