"""Fixtures for all tests: an own data directory, an own database, the reference data."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from surfalign.errors import MissingDependencyError
from surfalign.launchers.server import LocalServer
from surfalign.settings import load_settings
from surfalign.stores.database import Database, connect


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever asks for the server needs a database."""
    for item in items:
        if {"database", "server_uri"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("mongo")


@pytest.fixture(scope="session")
def data_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of this test session: datasets are shared, nothing of the user's is."""
    return tmp_path_factory.mktemp("surfalign")


@pytest.fixture(scope="session", autouse=True)
def _own_settings(data_directory: Path) -> Iterator[None]:
    """Keep the user's settings and data out of the tests, and end a server that a test started."""
    settings_file = data_directory / "settings.yaml"
    settings_file.write_text("{}\n")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DATABASE_URI", "DATABASE_NAME", "CORES", "MEMORY_LIMIT", "MPI_COMMAND"):
            patch.delenv(f"SURFALIGN_{name}", raising=False)
        patch.setenv("SURFALIGN_DATA_DIRECTORY", str(data_directory))
        patch.setenv("SURFALIGN_CONFIG_FILE", str(settings_file))
        yield
        LocalServer(data_directory / "database").stop()


@pytest.fixture(scope="session")
def server_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URI of a local server of this test session, on an empty directory."""
    server = LocalServer(tmp_path_factory.mktemp("database"))
    try:
        yield server.start()
    except MissingDependencyError as error:
        pytest.skip(str(error))
    finally:
        server.stop()


@pytest.fixture
def database(server_uri: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A connected, empty database of this test; the settings in force name it."""
    monkeypatch.setenv("SURFALIGN_DATABASE_URI", server_uri)
    monkeypatch.setenv("SURFALIGN_DATABASE_NAME", f"test_{uuid.uuid4().hex[:12]}")
    with connect(load_settings()) as connected:
        yield connected


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of reference data beside the repository; absent from a plain clone."""
    path = Path(__file__).parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip("the reference data (../shared/data beside the repository) is absent")
    return path
