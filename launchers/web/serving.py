"""The server process: the address that it may have, and its end."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import uvicorn

from surfalign.errors import AddressRefusedError, ConfigurationError
from surfalign.launchers.web.safety import LOCAL_HOSTS

if TYPE_CHECKING:
    from fastapi import FastAPI

HOST = "127.0.0.1"
PORT = 8370
#: Connections at a time; more are answered 503.
MOST_CONNECTIONS = 200
#: How long an idle connection stays open, and how long running requests have at the end (s).
KEEP_ALIVE, GRACE = 10, 5


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens where the pages will be.

    Parameters
    ----------
    host
        127.0.0.1 or localhost.
    port
        0 takes any free one.

    Raises
    ------
    AddressRefusedError
        When other machines would reach the address.
    ConfigurationError
        When the port is taken, or only an administrator may use it.
    """
    if host not in LOCAL_HOSTS:
        raise AddressRefusedError(
            f"--host {host} would show all results to whoever reaches this machine: there is no access "
            "control yet",
            f"{' or '.join(LOCAL_HOSTS)}",
            f"leave --host out; from another machine: ssh -L {port or PORT}:{HOST}:{port or PORT} HERE",
        )
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((HOST, port))
        # From here on connections wait, so that whoever reads the address may use it at once.
        opened.listen()
    except (OSError, OverflowError) as error:
        opened.close()
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = "another program listens there" if taken else str(error)
        raise ConfigurationError(
            f"port {port} cannot be used: {reason}",
            "a free port between 1024 and 65535",
            "surfalign serve --port 0 takes any free one",
        ) from error
    return opened


def serve(application: FastAPI, opened: socket.socket, announce: Callable[[str], None]) -> None:
    """Serve until Ctrl+C or SIGTERM.

    Parameters
    ----------
    application
        The pages.
    opened
        Of :func:`bound_socket`.
    announce
        Is told the address once.
    """
    configuration = uvicorn.Config(
        application,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # no proxy is foreseen, so nobody else may say who asks
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
        http="h11",
        ws="none",
    )
    announce(f"http://{HOST}:{opened.getsockname()[1]}/")
    # uvicorn raises it again when all is closed; here it is the usual end.
    with suppress(KeyboardInterrupt):
        uvicorn.Server(configuration).run(sockets=[opened])
