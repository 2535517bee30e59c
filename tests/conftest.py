"""Fixtures for all tests: an own data directory, an own database, the reference data."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from surfalign.errors import MissingDependencyError
from surfalign.launchers.database.server import LocalServer
from surfalign.settings import load_settings
from surfalign.stores.database import Database, connect

# The same examples everywhere, and all the time that a slow machine needs for them.
hypothesis.settings.register_profile(
    "surfalign",
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("surfalign")

#: Beginnings of variables by which a terminal, a CI service, a queue or the user's own settings would
#: change what the commands print and find.
_FOREIGN = (
    "SURFALIGN_", "SLURM_", "ATOMATE2_", "PMG_", "MP_API_KEY", "COLUMNS", "LINES",
    "FORCE_COLOR", "NO_COLOR", "CLICOLOR", "PY_COLORS", "TTY_", "GITHUB_ACTIONS",
)  # fmt: skip


def pytest_configure() -> None:
    """Leave the surroundings out, before anything that looks at them is imported."""
    for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
        del os.environ[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever asks for the server needs a database; processes get a second chance, and it is told.

    How the machine divides its time among processes is not in the hands of a test.
    """
    for item in items:
        if {"database", "server_uri"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("mongo")
        if item.get_closest_marker("processes"):
            item.add_marker(pytest.mark.flaky(reruns=1))


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
