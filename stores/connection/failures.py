"""What failures of the database mean: a table from MongoDB's codes and pymongo's words to remedies."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

from surfalign.errors import (
    ConfigurationError,
    DatabaseError,
    DatabaseUnreachableError,
    MissingDependencyError,
    SurfalignError,
)

#: MongoDB's error codes: a missing right, refused credentials, a broken server, a full disk.
UNAUTHORIZED = 13
DUPLICATE_KEY = 11000
AUTHENTICATION_FAILED = 18
INTERNAL_ERROR = 1
OUT_OF_DISK_SPACE = 14031
#: Atlas says this for all that it refuses, rights and credentials among them.
ATLAS_ERROR = 8000


@dataclass(frozen=True)
class Kind:
    """Failures with one meaning, told by their code, by words of their message, or by both."""

    what: str
    expected: str
    remedy: str
    codes: frozenset[int] = frozenset()
    words: str = ""
    error: type[SurfalignError] = DatabaseError

    def fits(self, code: int | None, message: str) -> bool:
        """Whether a failure with this code and message is of this kind."""
        return (not self.codes or code in self.codes) and bool(
            re.search(self.words, message, re.IGNORECASE)
        )


_NAME_UNKNOWN = Kind(
    "is not found, as its name does not resolve",
    "a host that this machine's DNS knows",
    "correct the host in database_uri (SURFALIGN_DATABASE_URI); on a compute node, write the name "
    "or address that the nodes know",
    words=r"name or service not known|name resolution|nodename nor servname|no address associated"
    r"|DNS (query|operation)|nameserver|resolution lifetime|NXDOMAIN|does not contain an answer",
    error=DatabaseUnreachableError,
)

#: What a broken or refused connection means; the first that fits counts.
CONNECTIONS = (
    _NAME_UNKNOWN,
    Kind(
        "cannot be trusted, as its certificate is not valid now",
        "a certificate within its time",
        "ask its administrator for a new certificate, and see that this machine's clock is right",
        words="certificate has expired|certificate expired|not yet valid",
        error=DatabaseUnreachableError,
    ),
    Kind(
        "cannot be trusted, as its certificate does not fit",
        "a certificate for this host, signed by a known authority",
        "name the file of its authority: tlsCAFile=/path/ca.pem in the options of database_uri",
        words="certificate verify failed|hostname .*match|certificate is not valid for",
        error=DatabaseUnreachableError,
    ),
    Kind(
        "and this client do not agree on TLS",
        "TLS on both sides, or on none; where the server asks for it, a certificate of yours",
        "set tls=true or tls=false in the options of database_uri, and "
        "tlsCertificateKeyFile=/path/client.pem for a user with a certificate",
        words=r"\bSSL|\bTLS",
        error=DatabaseUnreachableError,
    ),
    Kind(
        "belongs to another replica set",
        "the name of its own set",
        "correct replicaSet in the options of database_uri, or leave it out",
        words="replica set named|replicaSet|node belongs to a set",
        error=DatabaseUnreachableError,
    ),
    Kind(
        "has no primary now, or is shutting down",
        "a replica set with a primary",
        "wait for its election and try again; name all members of the set in database_uri",
        words="NotPrimaryError|no primary|not primary|no replica set members",
        error=DatabaseUnreachableError,
    ),
    Kind(
        "gave no free connection",
        "a connection within waitQueueTimeoutMS",
        "raise maxPoolSize or waitQueueTimeoutMS in the options of database_uri",
        words="WaitQueueTimeoutError|checking out a connection",
        error=DatabaseUnreachableError,
    ),
    Kind(
        "closed the connection",
        "a connection that stays",
        "see that the server runs (surfalign db status); one that asks for TLS needs tls=true in the "
        "options of database_uri",
        words="connection closed|connection reset",
        error=DatabaseUnreachableError,
    ),
)
SILENT = Kind(
    "does not answer",
    "an answer within seconds",
    "see that the server runs and database_uri is right: surfalign db status",
    error=DatabaseUnreachableError,
)

#: What a refusal by the server means; the first that fits counts.
REFUSALS = (
    Kind(
        "has no room left",
        "room below the quota of its disk",
        "ask its administrator for room, or delete what is not needed",
        codes=frozenset({ATLAS_ERROR, 12501}),
        words="quota",
    ),
    Kind(
        "refuses this user",
        "a user that may read and write",
        "correct the credentials in database_uri (percent-encoded; a + there means a space) and the "
        "database that knows the user (?authSource=admin), or ask its administrator",
        codes=frozenset({11, UNAUTHORIZED, AUTHENTICATION_FAILED, 31, 334, ATLAS_ERROR}),
        error=DatabaseUnreachableError,
    ),
    Kind(
        "has failed",
        "a server with room on its disk",
        "look at its disk and its log (surfalign db status), then start it again",
        codes=frozenset({INTERNAL_ERROR, OUT_OF_DISK_SPACE}),
        error=DatabaseUnreachableError,
    ),
    Kind(
        "lost its primary on the way, or is shutting down",
        "a server that stays up",
        "wait until it is back (surfalign db status) and run the same command again",
        codes=frozenset({6, 7, 89, 91, 189, 9001, 10107, 11600, 11602, 13435, 13436}),
        error=DatabaseUnreachableError,
    ),
    Kind(
        "gave up an answer half way",
        "an answer that is read to its end",
        "run the same command again; if it comes back, ask for less at a time (--limit)",
        codes=frozenset({43, 136, 175, 237, 11601}),
    ),
    Kind(
        "took longer than it may",
        "an answer within its time limit",
        "run it again when the server is less busy, or raise timeoutMS in the options of database_uri",
        codes=frozenset({24, 50, 262, 16500}),
    ),
    Kind(
        "lacks the memory to sort or group this",
        "a query that fits its memory",
        "ask for less at a time (--limit), or sort by a field that has an index",
        codes=frozenset({96, 146, 292}),
    ),
    Kind(
        "holds this document already",
        "one document of this key",
        "run the same command again; if two copies are there, remove one of them",
        codes=frozenset({DUPLICATE_KEY, 11001, 12582}),
    ),
    Kind(
        "takes no document as large as this",
        "less than 16 MB a document",
        "keep arrays outside of documents (blob_store), or report it",
        codes=frozenset({10334, 17280, 17419, 17420}),
    ),
    Kind(
        "did not confirm a write",
        "as many copies as the write concern (w) asks for, in time",
        "run the same command again; correct w and wtimeoutMS in the options of database_uri",
        codes=frozenset({64, 79, 100}),
    ),
    Kind(
        "was changed by another writer at the same moment",
        "one writer of a document at a time",
        "run the same command again",
        codes=frozenset({112}),
    ),
    Kind(
        "has indexes of the same name and another kind",
        "the indexes that surfalign makes",
        "drop the index that it names, in the database; surfalign makes it anew",
        codes=frozenset({67, 85, 86}),
    ),
    Kind(
        "takes no retryable writes",
        "a replica set, or plain writes",
        "set retryWrites=false in the options of database_uri",
        codes=frozenset({20, 301}),
        words="retryable|transaction numbers",
    ),
    Kind(
        "does not know a command",
        "MongoDB 6 or newer, or a server that does the same",
        "use a newer server",
        codes=frozenset({59, 115, 168, 238, 322, 323, 40324}),
    ),
    Kind(
        "is a view or has rules of its own for this collection",
        "plain collections without validation",
        "name an empty database: database_name (SURFALIGN_DATABASE_NAME)",
        codes=frozenset({73, 121, 166}),
    ),
)

#: What a URI means that pymongo cannot use.
CONFIGURATIONS = (
    Kind(
        "is of a version that this client does not speak",
        "MongoDB 6 or newer, and a client of its time",
        f"use a newer server, or another client: {sys.executable} -m pip install --upgrade pymongo",
        words="wire version",
    ),
    Kind(
        "needs a package that is not installed",
        "the package of this kind of address or login",
        f"{sys.executable} -m pip install 'pymongo[srv,aws,gssapi]'",
        words="must be installed|requires pymongo|install pymongo|module",
        error=MissingDependencyError,
    ),
    Kind(
        "is not reached with this key and certificate",
        "a certificate with its own key, and the password of the key",
        "correct tlsCertificateKeyFile and tlsCertificateKeyFilePassword in database_uri",
        words="private key",
        error=ConfigurationError,
    ),
    _NAME_UNKNOWN,
)
