"""The local server: one process a directory, which survives its starter, crashes and intruders."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pymongo
import pytest
from pymongo.errors import OperationFailure

from surfalign.errors import DatabaseUnreachableError, MissingDependencyError
from surfalign.launchers.database import server as server_module
from surfalign.launchers.database import server_process
from surfalign.launchers.database.server import HOST, LocalServer, ServerState
from surfalign.settings import load_settings
from surfalign.stores.connection.errors import errors_named

pytestmark = [pytest.mark.mongo, pytest.mark.processes]

#: What a process of a test may take on a machine that is busy with other things (s).
PATIENCE = 300.0


@pytest.fixture(scope="module")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a server that has been started before, and of no process now."""
    local = LocalServer(tmp_path_factory.mktemp("initialised") / "database")
    local.start()
    local.stop()
    (local.directory / "server.json").unlink()
    return local.directory


@pytest.fixture
def new_server(tmp_path: Path) -> Iterator[LocalServer]:
    local = LocalServer(tmp_path / "database")
    yield local
    kill(local)


@pytest.fixture
def server(initialised: Path, new_server: LocalServer) -> LocalServer:
    shutil.copytree(initialised, new_server.directory)
    return new_server


def kill(local: LocalServer) -> int | None:
    """End the server as a power cut would; return its pid."""
    pid = local.status().pid
    if pid is not None:
        server_process.end(pid, by_force=True)
        assert not local.status().running
    return pid


def names(uri: str) -> set[str]:
    with pymongo.MongoClient[dict[str, str]](uri) as client:
        return {document["name"] for document in client["test"]["names"].find()}


def insert(uri: str, name: str) -> None:
    with pymongo.MongoClient[dict[str, str]](uri) as client:
        client["test"]["names"].insert_one({"name": name})


def run_python(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True
    )


STARTER = """
import sys
from pathlib import Path
from surfalign.launchers.database.server import LocalServer
print(LocalServer(Path(sys.argv[1])).start())
"""

#: Says each name once the server has acknowledged it.
WRITER = """
import sys
import pymongo
with pymongo.MongoClient(sys.argv[1]) as client:
    for number in range(100_000):
        client["test"]["names"].insert_one({"name": str(number), "padding": "x" * 5000})
        print(number, flush=True)
"""


def test_start_is_idempotent_and_stop_keeps_port_and_data(server: LocalServer) -> None:
    uri = server.start()
    pid = server.status().pid
    insert(uri, "kept")

    assert server.start() == uri
    assert server.status().pid == pid
    assert server.stop()
    assert not server.stop()
    assert not server.status().running

    assert server.start() == uri
    assert server.status().pid != pid
    assert names(uri) == {"kept"}


def test_listens_on_the_loopback_address_only(server: LocalServer) -> None:
    server.start()

    listening = psutil.Process(server.status().pid).net_connections()

    assert listening
    assert {connection.laddr.ip for connection in listening} == {HOST}


def test_files_are_private(server: LocalServer) -> None:
    server.start()

    assert server.directory.stat().st_mode & 0o077 == 0
    assert (server.directory / "server.password").stat().st_mode & 0o077 == 0


def test_other_users_of_the_machine_are_kept_out(server: LocalServer) -> None:
    uri = server.start()
    insert(uri, "mine")
    password = (server.directory / "server.password").read_text()
    assert len(password) >= 32

    for intruder in (uri.replace(f"surfalign:{password}@", ""), uri.replace(password, "guess")):
        with pytest.raises(OperationFailure, match="authentication"):
            names(intruder)
    shown = str(server.status()) + server.log_file.read_text()
    shown += " ".join(psutil.Process(server.status().pid).cmdline())
    assert password not in shown


def test_a_start_that_was_killed_while_it_made_the_user_is_repeated(
    new_server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(pid: int, by_force: bool = False) -> None:
        raise KeyboardInterrupt(str(pid))

    with monkeypatch.context() as patch:
        patch.setattr(server_module, "end", killed)
        with pytest.raises(KeyboardInterrupt, match=r"\d+"):
            new_server.start()
    left_open = new_server.status()
    assert left_open.answering

    uri = new_server.start()

    assert new_server.status().pid != left_open.pid
    assert "@" in uri
    with pytest.raises(OperationFailure, match="requires authentication"):
        names(f"mongodb://{uri.partition('@')[2]}")
    assert names(uri) == set()


def test_a_configuration_file_in_the_working_directory_is_not_obeyed(
    server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secantusd.toml").write_text('[server]\nhost = "0.0.0.0"\nport = 1\n')
    monkeypatch.chdir(tmp_path)

    server.start()

    listening = psutil.Process(server.status().pid).net_connections()
    assert {connection.laddr.ip for connection in listening} == {HOST}


def test_acknowledged_documents_survive_a_kill_in_the_middle_of_writing(
    server: LocalServer,
) -> None:
    uri = server.start()
    writer = run_python(WRITER, uri)
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline().strip() for _ in range(200)]

    killed = kill(server)
    writer.kill()
    acknowledged += writer.stdout.read().split()
    writer.stdout.close()
    writer.wait()

    assert server.start() == uri
    assert server.status().pid != killed
    assert set(acknowledged) <= names(uri)


def test_two_processes_that_start_at_once_get_one_server(new_server: LocalServer) -> None:
    server = new_server
    starters = [run_python(STARTER, str(server.directory)) for _ in range(2)]
    uris = [starter.communicate(timeout=PATIENCE)[0] for starter in starters]

    assert uris[0] == uris[1] != ""
    running = [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if str(server.storage) in (process.info["cmdline"] or ())
    ]
    # Both starters have ended; the server has not.
    assert running == [server.status().pid]


def test_goes_to_another_port_when_its_own_is_taken(server: LocalServer) -> None:
    uri = server.start()
    port = server.status().port
    insert(uri, "kept")
    server.stop()

    with ExitStack() as stack:
        with suppress(OSError):  # another process took it meanwhile: as good
            stack.enter_context(socket.create_server((HOST, port or 0)))
        moved = server.start()

    assert moved != uri
    assert names(moved) == {"kept"}


def test_another_mongodb_on_the_remembered_port_is_not_taken_for_its_own(
    server: LocalServer, initialised: Path, tmp_path: Path
) -> None:
    uri = server.start()
    insert(uri, "mine")
    kill(server)
    other = LocalServer(tmp_path / "other")
    shutil.copytree(initialised, other.directory)
    (other.directory / "server.json").write_bytes((server.directory / "server.json").read_bytes())
    other.start()
    assert other.status().port == server.status().port  # it found the port remembered and free

    moved = server.start()
    kill(other)

    assert moved != uri
    assert names(moved) == {"mine"}


@pytest.mark.parametrize("age", [0.0, 1000.0])
def test_a_stale_state_is_not_trusted_and_its_process_not_touched(
    server: LocalServer, age: float
) -> None:
    """After a reboot, the pid may be anybody's."""
    bystander = run_python(f"import time; time.sleep(2 * {PATIENCE})")
    try:
        created = psutil.Process(bystander.pid).create_time() - age
        state = ServerState(
            pid=bystander.pid if age else 2**22 + 1,
            created=created,
            port=1,
            hostname=socket.gethostname(),
        )
        (server.directory / "server.json").write_text(state.model_dump_json())

        assert not server.stop()
        server.start()

        assert server.status().answering
        assert server.status().pid != bystander.pid
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.communicate()


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"pid": "x"}'])
def test_a_running_server_is_found_without_its_state_file(
    server: LocalServer, content: bytes | None
) -> None:
    """A starter may die before it has written the state."""
    uri = server.start()
    pid = server.status().pid
    state_file = server.directory / "server.json"
    state_file.unlink()
    if content is not None:
        state_file.write_bytes(content)

    assert server.start() == uri
    assert server.status().pid == pid


def test_a_hung_server_is_an_error_and_can_be_stopped(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.start()
    pid = server.status().pid or 0
    for module, name in (
        (server_module, "ANSWER_TIMEOUT"),
        (server_module, "READY_TIMEOUT"),
        (server_process, "STOP_TIMEOUT"),
    ):
        monkeypatch.setattr(module, name, 0.5)
    os.kill(pid, signal.SIGSTOP)

    assert server.status().running
    assert not server.status().answering
    with pytest.raises(DatabaseUnreachableError, match=f"process {pid}.* runs and does not answer"):
        server.start()

    assert server.stop()
    assert not server.status().running


def test_damaged_storage_is_an_error_with_the_last_words_of_the_log(server: LocalServer) -> None:
    server.start()
    kill(server)
    for file in server.storage.glob("WiredTiger*"):
        file.write_bytes(b"damaged")
    state_file = server.directory / "server.json"
    state = ServerState.model_validate_json(state_file.read_text())
    state_file.write_text(state.model_copy(update={"hostname": "node7"}).model_dump_json())

    with pytest.raises(
        DatabaseUnreachableError,
        match=r"did not start: .*WiredTiger.*server\.log, or stop the server .* on node7",
    ):
        server.start()

    assert not server.status().running


def test_documents_acknowledged_before_the_disk_was_full_are_kept(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on the size of files stands for the full disk."""
    code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({2**22}, {2**22}))\n"
    limited = run_python(code + STARTER, str(server.directory))
    uri = limited.communicate(timeout=PATIENCE)[0].strip()
    if not uri:
        pytest.skip("the server does not start under a limit on the size of files")
    acknowledged = set()
    monkeypatch.setattr(server_module, "READY_TIMEOUT", 0.5)
    monkeypatch.setattr(server_process, "STOP_TIMEOUT", 0.5)

    def fill() -> None:
        with pymongo.MongoClient[dict[str, str]](uri, socketTimeoutMS=120_000) as client:
            for number in range(100_000):
                client["test"]["names"].insert_one({"name": str(number), "padding": "x" * 10**5})
                acknowledged.add(str(number))

    with pytest.raises(DatabaseUnreachableError, match="room on its disk"), errors_named("it"):
        fill()
    with pytest.raises(DatabaseUnreachableError, match="make room or read"):
        server.start()
    server.stop()
    monkeypatch.undo()

    assert acknowledged
    assert acknowledged <= names(server.start())


def test_missing_program_names_the_command_that_mends_it(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "PROGRAM", "surfalign-test-absent")

    with pytest.raises(MissingDependencyError, match=r"pip install 'surfalign\[local\]'"):
        server.start()


def test_open_database_starts_the_server_once_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(tmp_path))
    said: list[str] = []

    for _ in range(2):
        with server_module.open_database(load_settings(), announce=said.append) as database:
            assert database.surface_levels.count() == 0
    kill(server_module.local_server())

    assert len(said) == 1
    assert said[0].startswith("Started the local database at mongodb://127.0.0.1:")
    assert str(tmp_path) in said[0]


@pytest.mark.serial
def test_the_first_start_wastes_no_time(
    new_server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of its two processes the first is ended by force, as a polite end takes seconds."""
    ended: list[bool] = []

    def end(pid: int, by_force: bool = False) -> None:
        ended.append(by_force)
        server_process.end(pid, by_force)

    monkeypatch.setattr(server_module, "end", end)
    before = time.process_time()
    new_server.start()
    # Processor time: a machine that is busy with other things does not make the start slower.
    times = psutil.Process(new_server.status().pid).cpu_times()
    assert time.process_time() - before + times.user + times.system < 15
    assert ended == [True]
