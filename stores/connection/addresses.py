"""The address of the results database: one URI and one name, refused where unclear, shown without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, unquote_plus

from surfalign.errors import ConfigurationError
from surfalign.settings import Settings

SCHEMES = ("mongodb", "mongodb+srv")
#: MongoDB's own databases: users are in "admin", and nobody's results in any of them.
OWN_DATABASES = ("admin", "config", "local")
#: Options whose value is the path of a file, with their older names.
FILE_OPTIONS = {
    "tlscafile": "tlsCAFile",
    "tlscertificatekeyfile": "tlsCertificateKeyFile",
    "tlscrlfile": "tlsCRLFile",
    "ssl_ca_certs": "ssl_ca_certs",
    "ssl_certfile": "ssl_certfile",
    "ssl_crlfile": "ssl_crlfile",
}
_SECRET = r"(?i)(password|passphrase|token|secret)"
#: What MongoDB takes as the name of a database.
_NAME = re.compile(r'[^/\\. "$\x00]{1,63}')


@dataclass(frozen=True)
class Address:
    """Where results are kept.

    Attributes
    ----------
    uri
        ``mongodb://`` URI, possibly with a password; not in the ``repr``.
    name
        Name of the database.
    """

    uri: str = field(repr=False)
    name: str

    @property
    def shown(self) -> str:
        """The URI without secrets, for messages."""
        return masked(self.uri)

    @property
    def has_secret(self) -> bool:
        """Whether the URI holds a password or a token."""
        return self.shown != self.uri

    @property
    def files(self) -> dict[str, Path]:
        """The files that options of the URI name, by option."""
        return {
            FILE_OPTIONS[name.lower()]: Path(unquote_plus(value))
            for name, value in options_of(self.uri)
            if name.lower() in FILE_OPTIONS
        }


def address_of(settings: Settings) -> Address:
    """Return the one address that the settings mean; nothing is looked up.

    Raises
    ------
    ConfigurationError
        When there is none, when its user or password is not percent-encoded, when a file that it names
        is missing, or when URI and settings name different databases.
    """
    if settings.database_uri is None:
        raise ConfigurationError(
            "no database is configured",
            "a mongodb:// URI",
            "set SURFALIGN_DATABASE_URI, or start the local database: surfalign db start",
        )
    uri = settings.database_uri.get_secret_value()
    address = Address(uri, _name(settings, _database_in(uri)))
    for option, path in address.files.items():
        _readable(option, path)
    return address


def masked(uri: str | None) -> str:
    """Return the URI without its password and without other secrets, however malformed it is."""
    if not uri:
        return ""
    # Up to the last @: a password with an unescaped one must not show its end.
    hidden = re.sub(r"(://[^:@/]*):.*@", r"\1:***@", uri, flags=re.DOTALL)
    front, mark, options = hidden.partition("?")
    # The pieces at odd places are the separators.
    pieces = enumerate(re.split("([&;])", options))
    return front + mark + "".join(p if place % 2 else _masked_option(p) for place, p in pieces)


def malformed(reason: str = "") -> ConfigurationError:
    """Return the error of a URI that cannot be understood; it quotes no part of it."""
    return ConfigurationError(
        f"the database URI is malformed{reason and ': '}{reason}",
        "mongodb://user:password@host:port/database?options",
        "correct database_uri (SURFALIGN_DATABASE_URI), or the file that holds it; in user and "
        "password write %40 for @, %2F for /, %3A for : and %25 for % (percent-encoding)",
    )


def _masked_option(option: str) -> str:
    name, equals, value = option.partition("=")
    if not option:
        return ""
    # A piece without a value is the rest of a secret with an unescaped & in it.
    if not equals:
        return "***"
    if re.search(_SECRET, name):
        return f"{name}=***"
    # Properties of an authentication: KEY:value pairs with commas.
    value = re.sub(_SECRET + r"([^:,]*):.*?(?=,[A-Z_]+:|$)", r"\1\2:***", value)
    return f"{name}={value}"


def _database_in(uri: str) -> str:
    """Return the name of the database in a URI, or an empty text."""
    scheme, mark, rest = uri.partition("://")
    if not mark or scheme not in SCHEMES:
        raise malformed("it begins neither with mongodb:// nor with mongodb+srv://")
    authority = re.split("[/?]", rest, maxsplit=1)[0]
    user = authority.rpartition("@")[0]
    if (
        rest.count("@") > 1
        or rest.count("@") > authority.count("@")
        or user.count(":") > 1
        or re.search("%(?![0-9A-Fa-f]{2})", user)
    ):
        raise malformed("its user or password holds an @, /, : or % that is not percent-encoded")
    path = rest[len(authority) :].partition("?")[0].removeprefix("/")
    return unquote(path)


def options_of(uri: str) -> Iterator[tuple[str, str]]:
    """Yield the options of a URI with their values, as they are written."""
    for option in re.split("[&;]", uri.partition("?")[2]):
        name, equals, value = option.partition("=")
        if equals:
            yield name, value


def _name(settings: Settings, in_uri: str) -> str:
    """Return the name of the database: of the settings, or of the URI."""
    name = settings.database_name
    # MongoDB's own are named in a URI to say where the user is known, not where results go.
    if in_uri and in_uri not in OWN_DATABASES:
        if "database_name" in settings.model_fields_set and name != in_uri:
            raise ConfigurationError(
                f"the database URI names the database '{in_uri}', the settings '{name}'",
                "one name",
                "remove one of them (SURFALIGN_DATABASE_NAME, database_name, or name in the profile); "
                f"where '{in_uri}' only knows the user, write /?authSource={in_uri}",
            )
        name = in_uri
    if name in OWN_DATABASES or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"'{name}' cannot be the name of a database",
            "up to 63 characters, none of / \\ . \" $ and space, and none of MongoDB's own "
            f"({', '.join(OWN_DATABASES)})",
            "correct database_name (SURFALIGN_DATABASE_NAME), or the name in the URI",
        )
    return name


def _readable(option: str, path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ConfigurationError(
            f"the file {path}, which the database URI names as {option}, cannot be read: "
            f"{error.strerror}",
            "a file in PEM format that this user may read",
            f"correct {option} in database_uri, best with an absolute path, or bring the file",
        ) from error
