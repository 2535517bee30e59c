"""The local database: a MongoDB-wire server of its own, on this machine's loopback address.

It runs as a daemon, so that it outlives the command that started it, and keeps everything in one
directory: the storage, a log, a lock for starters, a state file that remembers the port and the identity
of the process, and the password of its only user, because the other users of a shared machine reach the
loopback address, too. SecantusDB is run as a program and never imported; any MongoDB replaces it by
setting ``database_uri``.
"""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout
from pydantic import SecretStr, ValidationError
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from surfalign.errors import DatabaseUnreachableError, MissingDependencyError
from surfalign.files import write_whole
from surfalign.launchers.database.server_process import (
    HOST,
    ServerState,
    end,
    free_port,
    is_free,
    is_running,
    listens,
    option,
)
from surfalign.settings import Settings, load_settings
from surfalign.stores.connection.addresses import Address, address_of
from surfalign.stores.database import Database, connect

PROGRAM = "secantusd-py"
USER = "surfalign"
#: A crash with a long log is replayed before the server answers (s).
READY_TIMEOUT = 120.0
#: A starter waits this long for another one, which may start two processes and wait for a replay (s).
LOCK_TIMEOUT = 300.0
#: A server that is silent for this long does not answer (s); a machine may be busy with other things.
ANSWER_TIMEOUT = 10.0
PORT_ATTEMPTS = 5


@dataclass(frozen=True)
class ServerStatus:
    """Whether the local server runs, and where.

    Parameters
    ----------
    running
        Whether the process exists.
    answering
        Whether it answers a ping.
    uri, pid, port
        Address without the password, and process; None where it does not run (the port is remembered).
    directory
        Where its storage, log and state are.
    log_file
        The server's log.
    size
        Disk space of the storage, in GB.
    """

    running: bool
    answering: bool
    uri: str | None
    pid: int | None
    port: int | None
    directory: Path
    log_file: Path
    size: float


class LocalServer:
    """Start, stop and look at the server of one directory.

    Parameters
    ----------
    directory
        Everything of this server is kept below it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.storage = directory / "storage"
        self.log_file = directory / "server.log"
        self._state_file = directory / "server.json"
        self._configuration_file = directory / "server.toml"
        self._lock_file = directory / "server.lock"
        self._password_file = directory / "server.password"

    def start(self) -> str:
        """Start the server unless it runs, and wait until it answers.

        Returns
        -------
        str
            Its URI with user and password; the port stays the same from one start to the next where
            it is free.

        Raises
        ------
        MissingDependencyError
            When SecantusDB is not installed.
        DatabaseUnreachableError
            When the server does not come up, or runs and does not answer.
        """
        state = self._running()
        if state is not None and not state.initial and self._answers(state):
            return self._uri(state)
        with self._locked():
            state = self._running()
            if state is not None and state.initial:
                # Its starter was killed; nobody works with it, as its URI was never given out.
                end(state.pid, by_force=True)
                state = None
            if state is not None:
                self._wait_until_ready(state)
                return self._uri(state)
            return self._uri(self._launch())

    def stop(self) -> bool:
        """Stop the server; return whether one ran.

        Raises
        ------
        DatabaseUnreachableError
            When the process cannot be ended.
        """
        if not self.directory.is_dir():
            return False
        with self._locked():
            state = self._running()
            if state is None:
                return False
            end(state.pid)
            return True

    def status(self) -> ServerStatus:
        """Look, without starting or waiting."""
        state = self._running()
        remembered = self._remembered()
        return ServerStatus(
            running=state is not None,
            answering=state is not None and self._answers(state),
            uri=f"mongodb://{HOST}:{state.port}/" if state else None,
            pid=state.pid if state else None,
            port=remembered.port if remembered else None,
            directory=self.directory,
            log_file=self.log_file,
            size=_size(self.storage),
        )

    # --- the process -------------------------------------------------------------------------

    def _launch(self) -> ServerState:
        """Start a process on the remembered port, or on another one where that is taken."""
        program = _program()
        remembered = self._remembered()
        port = remembered.port if remembered and is_free(remembered.port) else free_port()
        if not self._password_file.exists():
            self._create_user(program)
        for _ in range(PORT_ATTEMPTS):
            log_start = self._log_size()
            state = self._spawn(program, port, "--auth")
            if state is not None and self._becomes_ready(state):
                return state
            if is_free(port):
                break
            port = free_port()  # somebody took it between our look and the server's bind
        elsewhere = ""
        if remembered is not None and remembered.hostname != socket.gethostname():
            elsewhere = f", or stop the server that may still run on {remembered.hostname}"
        raise DatabaseUnreachableError(
            f"the local database server did not start: {self._last_words(log_start)}",
            f"a server that answers on {HOST}:{port}",
            f"read {self.log_file}{elsewhere}, or set SURFALIGN_DATABASE_URI to a MongoDB",
        )

    def _create_user(self, program: str) -> None:
        """Give the storage its only user; a server that asks for passwords cannot be given the first."""
        log_start = self._log_size()
        state = self._spawn(program, free_port())
        if state is None or not self._becomes_ready(state):
            raise DatabaseUnreachableError(
                f"the local database server did not start: {self._last_words(log_start)}",
                "a server that answers",
                f"read {self.log_file}, or set SURFALIGN_DATABASE_URI to a MongoDB",
            )
        password = secrets.token_urlsafe(24)
        with _client(self._uri(state)) as client:
            known = client["admin"].command("usersInfo")["users"]
            for user in known:  # of an attempt that was killed, or of an uninvited guest
                client["admin"].command("dropUser", user["user"])
            client["admin"].command("createUser", USER, pwd=password, roles=["root"])
        # What it acknowledged is on the disk, and a polite end takes seconds.
        end(state.pid, by_force=True)
        write_whole(self._password_file, password, private=True)

    def _spawn(self, program: str, port: int, *options: str) -> ServerState | None:
        """Start the daemon and remember it; return None where it ended at once."""
        self.storage.mkdir(mode=0o700, exist_ok=True)
        # An own, empty file: the server would otherwise obey a secantusd.toml of any directory.
        self._configuration_file.touch(mode=0o600)
        command = [
            program,
            *("--config", str(self._configuration_file)),
            *("--host", HOST),
            *("--port", str(port)),
            *("--storage-path", str(self.storage)),
            *("--cache-size", "256M"),
            *("--log-level", "WARNING"),
            # The log of operations serves replication, which a single server has no use for.
            *("--oplog-max-entries", "1000"),
            *("--oplog-retention-seconds", "60"),
            "--standalone",
            # A document stands for minutes of computing: what was acknowledged outlives a power cut.
            "--sync-on-commit",
            *options,
        ]
        # The shell ends at once, so that the daemon belongs to init and never becomes our zombie.
        shell = subprocess.run(
            ["/bin/sh", "-c", '"$@" >>"$0" 2>&1 </dev/null & echo $!', self.log_file, *command],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            cwd=self.directory,
            start_new_session=True,
        )
        pid = int(shell.stdout)
        try:
            created = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            return None
        state = ServerState(
            pid=pid,
            created=created,
            port=port,
            hostname=socket.gethostname(),
            initial="--auth" not in options,
        )
        self._remember(state)
        return state

    def _becomes_ready(self, state: ServerState) -> bool:
        """Wait until the process answers; return False where it ended or takes too long."""
        deadline = time.monotonic() + READY_TIMEOUT
        while time.monotonic() < deadline:
            if not is_running(state):
                return False
            # What answers may be a stranger on the port, which ours is about to find taken.
            if listens(state) and self._answers(state):
                return True
            time.sleep(0.05)
        end(state.pid)
        return False

    def _wait_until_ready(self, state: ServerState) -> None:
        """Wait for a process that another starter launched."""
        deadline = time.monotonic() + READY_TIMEOUT
        while not self._answers(state):
            if time.monotonic() > deadline or not is_running(state):
                raise DatabaseUnreachableError(
                    f"the local database server (process {state.pid}) runs and does not answer "
                    f"on {HOST}:{state.port}, or cannot use its storage in {self.storage}",
                    "an answer, and room on the disk",
                    f"make room or read {self.log_file}, then: surfalign db stop",
                )
            time.sleep(0.05)

    # --- what is remembered ------------------------------------------------------------------

    def _running(self) -> ServerState | None:
        """Return the state of the running process, whoever started it, or None."""
        state = self._remembered()
        if state is not None and is_running(state):
            return state
        if not self.storage.is_dir():
            return None
        # A starter may have been killed before it could write its state.
        orphan = self._find_process()
        if orphan is not None:
            self._remember(orphan)
        return orphan

    def _find_process(self) -> ServerState | None:
        """Look for a server of this directory among all processes."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                command = process.cmdline()
                if option(command, "--storage-path") == str(self.storage):
                    port = option(command, "--port")
                    return ServerState(
                        pid=process.pid,
                        created=process.create_time(),
                        port=int(port or 0),
                        hostname=socket.gethostname(),
                        initial="--auth" not in command,
                    )
        return None

    def _remembered(self) -> ServerState | None:
        """Read the state file; a damaged one counts as none."""
        try:
            return ServerState.model_validate_json(self._state_file.read_bytes())
        except (OSError, ValidationError):
            return None

    def _remember(self, state: ServerState) -> None:
        """Write the state file in one step."""
        write_whole(self._state_file, state.model_dump_json(), private=True)

    def _uri(self, state: ServerState) -> str:
        """Return the URI that clients use; without a user where the server was started without."""
        user = ""
        if self._password_file.exists():
            user = f"{USER}:{self._password_file.read_text()}@"
        return f"mongodb://{user}{HOST}:{state.port}/?directConnection=true"

    def _answers(self, state: ServerState) -> bool:
        """Ask whether the server answers us."""
        return answers(self._uri(state))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one starter or stopper work at a time."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with FileLock(self._lock_file, timeout=LOCK_TIMEOUT):
                yield
        except Timeout as error:
            raise DatabaseUnreachableError(
                "another process has been starting or stopping the local database for "
                f"{LOCK_TIMEOUT:.0f} s",
                "a start within seconds",
                f"see which process holds {self._lock_file} (fuser), end it and try again",
            ) from error

    def _log_size(self) -> int:
        return self.log_file.stat().st_size if self.log_file.exists() else 0

    def _last_words(self, start: int) -> str:
        """Return the last line that the server wrote to its log since ``start``."""
        with self.log_file.open("rb") as log:
            log.seek(start)
            lines = log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it wrote nothing to its log"


# --- the settings' server ----------------------------------------------------------------------


def local_server(settings: Settings | None = None) -> LocalServer:
    """Return the server of the settings' data directory."""
    settings = settings or load_settings()
    return LocalServer(settings.data_directory.expanduser().absolute() / "database")


def start(settings: Settings | None = None) -> str:
    """Start the local server unless it runs; return its URI."""
    return local_server(settings).start()


def stop(settings: Settings | None = None) -> bool:
    """Stop the local server; return whether one ran."""
    return local_server(settings).stop()


def status(settings: Settings | None = None) -> ServerStatus:
    """Look at the local server."""
    return local_server(settings).status()


def open_database(
    settings: Settings | None = None, announce: Callable[[str], None] | None = None
) -> Database:
    """Connect to the configured database, or to the local server, started where necessary.

    Parameters
    ----------
    settings
        The settings in force by default.
    announce
        Is told in one line when the local server had to be started.

    Raises
    ------
    DatabaseUnreachableError
        When the database does not answer.
    MissingDependencyError
        When the local server is needed and not installed.
    """
    settings = settings or load_settings()
    if settings.database_uri is None:
        server = local_server(settings)
        ran = server.status().running
        uri = server.start()
        if announce is not None and not ran:
            announce(
                f"Started the local database at {server.status().uri} (data: {server.directory})"
            )
        settings = settings.model_copy(update={"database_uri": SecretStr(uri)})
    return connect(settings)


def address_in_use(settings: Settings) -> Address:
    """Return the address of the configured database, or of the local server, started where necessary."""
    if settings.database_uri is None:
        uri = SecretStr(local_server(settings).start())
        settings = settings.model_copy(update={"database_uri": uri})
    return address_of(settings)


# --- asking a server ---------------------------------------------------------------------------


def answers(uri: str) -> bool:
    """Ask whether a MongoDB-wire server answers, knows the user and can read its storage.

    A server whose storage engine gave up (full disk) still answers a ping.
    """
    [address] = parse_uri(uri)["nodelist"]
    try:
        # The client would try again and again where nothing listens.
        socket.create_connection(address, timeout=ANSWER_TIMEOUT).close()
        with _client(uri, int(1000 * ANSWER_TIMEOUT)) as client:
            client["admin"].list_collection_names()
    except (OSError, PyMongoError):
        return False
    return True


def _client(uri: str, milliseconds: int = 60_000) -> MongoClient[dict[str, Any]]:
    return MongoClient(
        uri,
        serverSelectionTimeoutMS=milliseconds,
        connectTimeoutMS=milliseconds,
        socketTimeoutMS=milliseconds,
    )


def _program() -> str:
    """Return the path of the server's program, of this environment first."""
    path = shutil.which(PROGRAM, path=sysconfig.get_path("scripts")) or shutil.which(PROGRAM)
    if path is None:
        raise MissingDependencyError(
            f"no database is configured and the program {PROGRAM} of the local one is not installed",
            "SURFALIGN_DATABASE_URI, or the package secantusdb",
            f"{sys.executable} -m pip install 'surfalign[local]', or set SURFALIGN_DATABASE_URI",
        )
    return path


def _size(directory: Path) -> float:
    """Return the disk space below a directory in GB; files may vanish while we count."""
    total = 0
    for path in directory.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size
    return total / 1e9
