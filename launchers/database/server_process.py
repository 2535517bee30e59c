"""The process of the local database: whether it lives, listens and ends, and free ports for it."""

from __future__ import annotations

import socket
import time
from contextlib import suppress

import psutil
from pydantic import BaseModel

from surfalign.errors import DatabaseUnreachableError
from surfalign.processes import is_same_process

HOST = "127.0.0.1"
#: What a process gets to close its storage before it is ended by force, and what that may take (s).
STOP_TIMEOUT = 20.0
KILL_TIMEOUT = 60.0


class ServerState(BaseModel):
    """What the state file remembers of the process."""

    pid: int
    created: float
    port: int
    hostname: str
    #: Whether it waits for its first user, and is open to everyone until then.
    initial: bool = False


def is_running(state: ServerState) -> bool:
    """Compare the living process with the remembered one; a pid alone may be somebody else's."""
    return state.hostname == socket.gethostname() and is_same_process(state.pid, state.created)


def listens(state: ServerState) -> bool:
    """Ask whether the process itself listens on its port."""
    with suppress(psutil.NoSuchProcess):
        return any(
            connection.laddr.port == state.port
            for connection in psutil.Process(state.pid).net_connections()
            if connection.status == psutil.CONN_LISTEN
        )
    return False


def end(pid: int, by_force: bool = False) -> None:
    """End a process: politely first, so that the storage is closed, then by force.

    Raises
    ------
    DatabaseUnreachableError
        When the process cannot be ended.
    """
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        polite, forced = (process.terminate, STOP_TIMEOUT), (process.kill, KILL_TIMEOUT)
        for signal, timeout in (forced,) if by_force else (polite, forced):
            signal()
            deadline = time.monotonic() + timeout
            while time.monotonic() < deadline:
                # A zombie has ended, whenever init gets round to it.
                if process.status() == psutil.STATUS_ZOMBIE:
                    return
                time.sleep(0.02)
        raise DatabaseUnreachableError(
            f"process {pid} of the local database cannot be ended",
            "an end within seconds",
            "look at the machine's disk and at the process",
        )


def option(command: list[str], name: str) -> str | None:
    """Return the value that follows an option of a command line."""
    with suppress(ValueError, IndexError):
        return command[command.index(name) + 1]
    return None


def is_free(port: int) -> bool:
    """Ask whether a server could listen on the loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
