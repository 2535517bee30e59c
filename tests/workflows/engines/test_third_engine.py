"""The engine of docs/extending.md, as it stands there, runs through the flow."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from jobflow import JobStore
from maggma.stores import MemoryStore

from surfalign.crystals.sources import load_crystal
from surfalign.errors import ConfigurationError
from surfalign.launchers.local.run_flow import run_flow
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.workflows.engines import engine as engines
from surfalign.workflows.flows import BandAlignmentMaker

PAGE = Path(__file__).parents[3] / "docs" / "extending.md"


def code_of_the_page() -> str:
    match = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert match is not None
    return match[1]


@pytest.fixture
def well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], engines.Engine]:
    (tmp_path / "well.py").write_text(code_of_the_page())
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(engines.ENGINES, "well", "well:make_engine")
    return lambda: engines.get_engine("well", quality="quick", functional="ddh")


def test_the_page_is_short() -> None:
    assert len(code_of_the_page().splitlines()) <= 40
    assert len(PAGE.read_text().splitlines()) <= 80


@pytest.mark.usefixtures("well")
def test_an_option_that_the_engine_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no option spin_orbit"):
        engines.get_engine("well", quality="quick", functional="ddh", spin_orbit="on")


def test_the_engine_of_the_page_gives_its_ip(
    well: Callable[[], engines.Engine], tmp_path: Path
) -> None:
    store = JobStore(MemoryStore())
    store.connect()
    flow = BandAlignmentMaker(engine=well()).make(load_crystal("MgO").structure)
    assert run_flow(flow, store, tmp_path, reuse=True) == []
    (document,) = [
        SurfaceLevelsDocument.model_validate(found["output"])
        for found in store.query({"output.@class": "SurfaceLevelsDocument"})
    ]
    assert document.failed_checks == []
    assert document.ionization_potential == pytest.approx(7.0, abs=1e-3)
    assert document.electron_affinity == pytest.approx(1.0, abs=1e-3)
    assert document.engine == "well"
