"""What was served to whom: one line of JSON a request, in files that only their owner may read."""

from __future__ import annotations

import io
import json
import logging
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.types import Message, Send

from surfalign.errors import UnwritableFileError
from surfalign.stores.sharing.access_tokens import PREFIX, TOKEN

#: Size of a file (bytes), and how many older ones are kept.
SIZE, KEPT = 10_000_000, 20
#: Longest text of a request, and most identifiers, that are noted.
LONGEST, MOST = 1000, 100


@dataclass
class Served:
    """The results that an answer holds.

    Attributes
    ----------
    number
        How many.
    identifiers
        Identifiers of the first of them.
    """

    number: int = 0
    identifiers: list[str] = field(default_factory=list)

    def note(self, identifier: str) -> None:
        """Count one more; that is read twice for an answer counts once."""
        if identifier in self.identifiers:
            return
        self.number += 1
        if len(self.identifiers) < MOST:
            self.identifiers.append(identifier)

    def become(self, other: Served) -> None:
        """Hold what another answer with the same content holds."""
        self.number, self.identifiers = other.number, list(other.identifiers)


class AuditLog:
    """The log of one server.

    Parameters
    ----------
    path
        The file; older ones have ``.1``, ``.2``, ... behind its name.
    size
        Size at which a new file begins (bytes).

    Raises
    ------
    UnwritableFileError
        When nothing can be noted: then nothing is served.
    """

    def __init__(self, path: Path, size: int = SIZE) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = _PrivateFile(path, maxBytes=size, backupCount=KEPT, encoding="utf-8")
        except OSError as error:
            raise UnwritableFileError(
                f"what is served cannot be noted in {path}: {error.strerror or error}",
                "a data_directory that may be written to",
                "name another one in the settings",
            ) from error

    def noting(self, request: Request, send: Send) -> Send:
        """Return what sends an answer and notes it when it is complete."""
        status = sent = 0

        async def noted(message: Message) -> None:
            nonlocal status, sent
            await send(message)
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
                if not message.get("more_body", False):
                    self._write(_entry(request, status, sent))

        return noted

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, entry: dict[str, Any]) -> None:
        text = json.dumps(entry, ensure_ascii=True)
        self._file.handle(logging.LogRecord("served", logging.INFO, "", 0, text, None, None))


class _PrivateFile(RotatingFileHandler):
    """Files of mode 600."""

    def _open(self) -> io.TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return io.TextIOWrapper(os.fdopen(descriptor, "ab"), encoding=self.encoding)


def _entry(request: Request, status: int, sent: int) -> dict[str, Any]:
    viewer = request.state.viewer
    served: Served = getattr(request.state, "served", None) or Served()
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "client": request.client.host if request.client is not None else "",
        "viewer": viewer.name,
        "role": viewer.role.value if viewer.name else "",
        "method": _shown(request.method),
        "path": _shown(request.url.path),
        "query": _shown(request.url.query),
        "status": status,
        "bytes": sent,
        "results": served.number,
        "identifiers": served.identifiers,
    }


def without_tokens(text: str) -> str:
    """Return a text without tokens that were put where none belongs."""
    return TOKEN.sub(f"{PREFIX}...", text)


def _shown(text: str) -> str:
    return without_tokens(unquote(text))[:LONGEST]
