"""A real SLURM for the tests that submit, and profiles that use it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import slurm_cluster
import yaml
from slurm_cluster import SlurmCluster, python_path
from troubled_slurm import TroubledSlurm


@pytest.fixture(scope="session")
def slurm() -> Iterator[SlurmCluster]:
    """A SLURM of this test session; its clients find it by SLURM_CONF."""
    reason = slurm_cluster.missing()
    if reason:
        pytest.skip(reason)
    # munge's socket has a short path or none.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    cluster = SlurmCluster(folder, cores=4)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.environment.items():
            patch.setenv(name, value)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def profile_content(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Content of a profile for the test SLURM; slab potentials and band edges go to the GPUs."""

    def make(launcher: str, database: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        queue = {"walltime": "0:20:00", "environment": {"PYTHONPATH": python_path()}}
        return {
            "launcher": launcher,
            "poll_interval": 0.5,
            "database": database or {},
            "clusters": {"local": {"work_directory": str(tmp_path / "work")}},
            "queues": {
                "small": {"partition": "cpu", **queue},
                "large": {"partition": "gpu", "gpus": 1, **queue},
            },
            "steps": {"default": "small", "band edges": "large", "slab potential": "large"},
            **more,
        }

    return make


@pytest.fixture
def write_profile(
    tmp_path: Path, profile_content: Callable[..., dict[str, Any]]
) -> Callable[..., Path]:
    """Write such a profile to a file."""

    def write(*arguments: Any, **options: Any) -> Path:
        path = tmp_path / "profile.yaml"
        path.write_text(yaml.safe_dump(profile_content(*arguments, **options)))
        return path

    return write


@pytest.fixture
def troubled(slurm: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TroubledSlurm:
    """That SLURM behind clients that can be made to fail."""
    found = TroubledSlurm(tmp_path / "site")
    monkeypatch.setenv("PATH", found.path)
    return found
