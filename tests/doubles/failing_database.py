"""A server that speaks MongoDB's wire protocol and fails as it is told; a double, which stores nothing."""

from __future__ import annotations

import socketserver
import ssl
import struct
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import bson

#: Operations of the wire protocol: the old question of the first handshake, its answer, and all later ones.
_QUERY, _REPLY, _MESSAGE = 2004, 1, 2013
_HEADER = struct.Struct("<iiii")
_HELLO = {
    "ismaster": True,
    "isWritablePrimary": True,
    "helloOk": True,
    "maxBsonObjectSize": 16 * 2**20,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "logicalSessionTimeoutMinutes": 30,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "ok": 1,
}
_CURSOR = {"cursor": {"id": bson.Int64(0), "ns": "d.c", "firstBatch": []}, "ok": 1}
_ANSWERS = {"find": _CURSOR, "aggregate": _CURSOR, "insert": {"n": 1, "ok": 1}}


class FailingDatabase:
    """A server on a free port of this machine, as a context manager.

    Parameters
    ----------
    answers
        Name of a command to its answer; "*" answers all that have none. None as an answer closes the
        connection.
    hello
        What the greeting says otherwise.
    certificate
        PEM file with key and certificate; the server then speaks TLS.
    """

    def __init__(
        self,
        answers: Mapping[str, Mapping[str, Any] | None] | None = None,
        hello: Mapping[str, Any] | None = None,
        certificate: Path | None = None,
    ) -> None:
        self.answers = dict(answers or {})
        self.hello = {**_HELLO, **(hello or {})}
        #: Names of the commands that came.
        self.commands: list[str] = []
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        self._server = _Server(("127.0.0.1", 0), _Connection)
        self._server.double = self
        self.port = self._server.server_address[1]

    def uri(self, options: str = "", user: str = "") -> str:
        """Return its URI, with options that fail soon."""
        soon = "serverSelectionTimeoutMS=500&directConnection=true"
        return f"mongodb://{user}127.0.0.1:{self.port}/?{soon}{options and '&'}{options}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, command: str) -> Mapping[str, Any] | None:
        """Return the answer to a command."""
        if command.lower() in ("hello", "ismaster"):
            return self.hello
        self.commands.append(command)
        default = _ANSWERS.get(command, {"ok": 1})
        return self.answers.get(command, self.answers.get("*", default))

    def secured(self, connection: Any) -> Any:
        """Return a connection with TLS, where there is a certificate."""
        if self._context is None:
            return connection
        return self._context.wrap_socket(connection, server_side=True)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    double: FailingDatabase

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away are what is tested."""


class _Connection(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        with self.server.double.secured(self.request) as connection:
            self._converse(connection)

    def _converse(self, connection: Any) -> None:
        while header := _read(connection, _HEADER.size):
            length, number, _, operation = _HEADER.unpack(header)
            body = _read(connection, length - _HEADER.size)
            # Flags and one byte for the kind of section; or flags, a name, and two numbers.
            start = 5 if operation == _MESSAGE else body.index(b"\0", 4) + 9
            size = struct.unpack_from("<i", body, start)[0]
            command = bson.decode(body[start : start + size])
            answer = self.server.double.answer(next(iter(command)))
            if answer is None:
                return
            connection.sendall(_packed(bson.encode(answer), number, operation))


def _packed(document: bytes, number: int, operation: int) -> bytes:
    if operation == _QUERY:
        content, operation = struct.pack("<iqii", 8, 0, 0, 1) + document, _REPLY
    else:
        content = b"\0\0\0\0\0" + document
    return _HEADER.pack(_HEADER.size + len(content), 0, number, operation) + content


def _read(connection: Any, size: int) -> bytes:
    content = b""
    while len(content) < size and (piece := connection.recv(size - len(content))):
        content += piece
    return content


def write_certificate(path: Path, days: tuple[float, float], name: str = "127.0.0.1") -> Path:
    """Write a key and a certificate that it signs itself, valid from and to some days from now."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin, end = (datetime.now(UTC) + timedelta(days=day) for day in days)
    other = x509.IPAddress(ipaddress.ip_address(name))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([other]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
