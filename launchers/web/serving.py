"""The server process: the address that it may have, who may reach it there, and its end."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import uvicorn

from surfalign.errors import AddressRefusedError, ConfigurationError
from surfalign.launchers.web.identity import Entrance
from surfalign.launchers.web.safety import LOCAL_HOSTS

if TYPE_CHECKING:
    from fastapi import FastAPI

    from surfalign.settings import Settings

HOST = "127.0.0.1"
PORT = 8370
#: Addresses that stand for all of this machine.
_ALL = ("0.0.0.0", "::")
#: Connections at a time; more are answered 503.
MOST_CONNECTIONS = 200
#: How long an idle connection stays open, and how long running requests have at the end (s).
KEEP_ALIVE, GRACE = 10, 5


def entrance_of(
    host: str, settings: Settings, *, public: bool = False, hosts: Sequence[str] = ()
) -> Entrance:
    """Return how a server at an address is reached.

    Parameters
    ----------
    host
        Address that it listens on.
    settings
        Name the reverse proxies, and the folder of the log.
    public
        Whether who shows no token sees what is public.
    hosts
        Further names under which it is reached.
    """
    proxies = settings.web_proxies
    # What a proxy on this machine passes on comes from the loopback address, too.
    asks = public or bool(proxies) or host not in LOCAL_HOSTS
    own = [] if host in LOCAL_HOSTS else [host, socket.gethostname()]
    names = (*LOCAL_HOSTS, *(name for name in (*own, *hosts) if name not in ("", "*", *_ALL)))
    log = settings.data_directory / "web" / "served.jsonl" if asks else None
    return Entrance(asks=asks, public=public, hosts=names, proxies=tuple(proxies), log=log)


def refuse_unless_asked(host: str, entrance: Entrance, has_tokens: Callable[[], bool]) -> None:
    """Refuse an address that others reach while nobody has been given access.

    Raises
    ------
    AddressRefusedError
        With the reason and what to do.
    """
    if host in LOCAL_HOSTS or entrance.public or has_tokens():
        return
    raise AddressRefusedError(
        f"--host {host} would be reached by others, and nobody has an access token",
        "a valid access token, or --public, which shows what is public to all",
        "surfalign access add NAME; or leave --host out, and from another machine: "
        f"ssh -L {PORT}:{HOST}:{PORT} HERE",
    )


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens where the pages will be.

    Parameters
    ----------
    host
        Address or name of this machine; who may be there is decided by :func:`refuse_unless_asked`.
    port
        0 takes any free one.

    Raises
    ------
    ConfigurationError
        When the address is none of this machine, the port is taken, or only an administrator may use it.
    """
    try:
        # An empty name would be all addresses to some systems, and this machine to others.
        name = HOST if host in LOCAL_HOSTS else host or "-"
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        family, _, _, _, place = found[0]
    except (OSError, UnicodeError) as error:
        raise _not_here(host, str(error)) from error
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((place[0], port))
        # From here on connections wait, so that whoever reads the address may use it at once.
        opened.listen()
    except (OSError, OverflowError) as error:
        opened.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL:
            raise _not_here(host, "it is no address of this machine") from error
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = "another program listens there" if taken else str(error)
        raise ConfigurationError(
            f"port {port} cannot be used: {reason}",
            "a free port between 1024 and 65535",
            "surfalign serve --port 0 takes any free one",
        ) from error
    return opened


def _not_here(host: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"--host {host} cannot be used: {why}",
        "an address or name of this machine",
        "correct --host",
    )


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
        proxy_headers=False,  # the application reads them, of the proxies that are configured
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
        http="h11",
        ws="none",
    )
    host, port = opened.getsockname()[:2]
    announce(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
    # uvicorn raises it again when all is closed; here it is the usual end.
    with suppress(KeyboardInterrupt):
        uvicorn.Server(configuration).run(sockets=[opened])
