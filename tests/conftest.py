"""Fixtures for all tests: an own data directory, an own database, the reference data."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


#: What a test needs, told by the fixtures that it asks for.
_MARK_OF_FIXTURE = {
    "database": "mongo", "server_uri": "mongo", "slurm": "slurm",
    "stub": "programs", "stub_engine": "programs",
}  # fmt: skip

#: Marks of tests that may start another program; the others run in this process alone.
_MAY_START_PROGRAMS = ("dft", "mongo", "slurm", "processes", "programs")

#: Events of Python at which another program begins.
_STARTS = ("subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "os.fork", "os.forkpty")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what tests need, give processes a second chance, and keep together what shares a fixture.

    How the machine divides its time among processes is not in the hands of a test: one that fails is
    run once more, and the report says so.
    """
    for item in items:
        for fixture in set(getattr(item, "fixturenames", ())) & set(_MARK_OF_FIXTURE):
            item.add_marker(_MARK_OF_FIXTURE[fixture])
        if item.get_closest_marker("processes") or item.get_closest_marker("slurm"):
            item.add_marker(pytest.mark.flaky(reruns=1))
        if group := _group(item):
            item.add_marker(pytest.mark.xdist_group(group))


def _group(item: pytest.Item) -> str:
    """Return which tests run in one worker, one after the other; an empty text: in any worker.

    There is one SLURM. GPAW's processes take every core there is, so only one test has them at a time.
    What a fixture computes for a whole file is computed once.
    """
    for mark in ("slurm", "dft"):
        if item.get_closest_marker(mark):
            return mark
    definitions = getattr(item, "_fixtureinfo", None)
    found = definitions.name2fixturedefs.values() if definitions else ()
    shared = any(last.scope in ("module", "class") for *_, last in found)
    return item.nodeid.partition("::")[0] if shared else ""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run in workers that do not see the groups: two tests would start the same things."""
    if getattr(session.config.option, "loadgroup", False):
        grouped = [item for item in session.items if item.get_closest_marker("xdist_group")]
        if any("@" not in item.nodeid for item in grouped):
            raise pytest.UsageError("pytest-xdist does not see the groups: try another pytest")


def _watch_starts() -> list[str]:
    """Return a list to which every start of a program by this process is added."""
    started: list[str] = []

    def note(event: str, arguments: tuple[Any, ...], starts: tuple[str, ...] = _STARTS) -> None:
        if event in starts and arguments[:1] != ("lscpu",):  # joblib counts cores with it
            started.append(f"{event} {arguments[:2]}")

    sys.addaudithook(note)
    return started


_started = _watch_starts()


def pytest_runtest_logstart() -> None:
    """Forget what the test before has started."""
    _started.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test that starts a program and has no mark that says so: ``make quick`` starts none."""
    yield
    if _started and not any(map(item.get_closest_marker, _MAY_START_PROGRAMS)):
        pytest.fail(f"this test needs the mark 'programs', for it starts one: {_started[0]}")


@pytest.fixture(scope="session")
def data_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of this worker: it shares GPAW's datasets with the others, and no more."""
    directory = tmp_path_factory.mktemp("surfalign")
    base = tmp_path_factory.getbasetemp()
    datasets = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "gpaw-datasets"
    datasets.mkdir(exist_ok=True)
    (directory / "gpaw-datasets").symlink_to(datasets)
    return directory


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
