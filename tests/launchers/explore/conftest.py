"""A loop of the toy engine on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from plans import write_plan

from surfalign.launchers.explore.configuration import ExploreConfiguration, read_configuration
from surfalign.workflows.engines import engine as engines


@pytest.fixture(scope="session")
def toy_plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan of six surfaces."""
    return write_plan(tmp_path_factory.mktemp("pool") / "plan.jsonl", ("MgO", "SrO", "CaO"))


@pytest.fixture(autouse=True)
def _toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(engines.ENGINES, "toy", "toy_engine:make_engine")
    monkeypatch.setenv("SURFALIGN_CORES", "1")  # in this process
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(tmp_path / "data"))


@pytest.fixture
def write_config(tmp_path: Path, toy_plan: Path) -> Callable[..., Path]:
    """Write the configuration of a loop; a value of None leaves a key out."""

    def write(**changes: Any) -> Path:
        content = {
            "name": "toy",
            "pool": {"plan": str(toy_plan)},
            "method": {"engine": "toy", "quality": "quick"},
            "batch": 2,
            "acquisition": "random",
            "budget": {"surfaces": 4},
            "model": {"kind": "mean", "least_labels": 3},
            "poll_interval": 0.01,
            "patience": 0,
            **changes,
        }
        path = tmp_path / "explore.yaml"
        path.write_text(yaml.safe_dump({k: v for k, v in content.items() if v is not None}))
        return path

    return write


@pytest.fixture
def configure(write_config: Callable[..., Path]) -> Callable[..., ExploreConfiguration]:
    """Return such a configuration."""
    return lambda **changes: read_configuration(write_config(**changes))
