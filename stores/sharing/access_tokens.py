"""Access tokens: who may ask from elsewhere, as whom, and until when.

A token is ``surfalign_ID_SECRET``. The secret is shown once; stored is its hash, which nobody can turn back.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import BaseModel, Field
from pymongo.errors import OperationFailure

from surfalign.errors import AccessError, ConfigurationError
from surfalign.stores.database import ACCESS_TOKENS
from surfalign.stores.sharing.record import checked_name
from surfalign.stores.sharing.visibility import Role, Viewer

if TYPE_CHECKING:
    from surfalign.stores.database import Database

#: How long a token is valid where nothing is said, and at most (days).
VALID, LONGEST = 90, 3650
#: The last use is noted this often.
NOTED_EVERY = timedelta(minutes=5)
#: Beginning of each token, by which programs that look for leaked secrets know it.
PREFIX = "surfalign_"
TOKEN = re.compile(rf"{PREFIX}([0-9a-f]{{12}})_([A-Za-z0-9_-]{{43}})")

# Slow hashes protect passwords, which can be guessed. A secret of 256 random bits cannot be, whatever the hash
# costs; but each request pays for it, and forged ones would keep a slow hash busy. So Argon2 is set to its
# least: half a millisecond and 1 MiB. Of the library we take salts, comparison in constant time, and a format
# that names its parameters.
_HASHER = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)
#: Verified where there is no token of an ID, so that the answer takes as long.
_NOBODY = _HASHER.hash(secrets.token_urlsafe(32))


class TokenState(StrEnum):
    """Whether a token lets its bearer in."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


class AccessToken(BaseModel):
    """What is stored of a token."""

    id: str = Field(description="Middle part of the token, not secret")
    name: str = Field(description="Whose token it is")
    role: Role = Field(description="What the person may do")
    groups: list[str] = Field(description="Groups of the person")
    hash: str = Field(description="Salted hash of the secret", repr=False, exclude=True)
    created_at: datetime = Field(description="When it was made, UTC")
    expires_at: datetime = Field(description="Until when it is valid, UTC")
    revoked_at: datetime | None = Field(default=None, description="When it was revoked, UTC")
    last_used_at: datetime | None = Field(default=None, description="Last use, to five minutes")

    @property
    def viewer(self) -> Viewer:
        """Who sees with it."""
        return Viewer(self.name, frozenset(self.groups), self.role)

    def state(self, now: datetime) -> TokenState:
        """Return whether it is valid at a time."""
        if self.revoked_at is not None:
            return TokenState.REVOKED
        return TokenState.EXPIRED if self.expires_at <= now else TokenState.VALID


class AccessRegister:
    """The tokens of one database.

    Parameters
    ----------
    database
        A connected database.
    """

    def __init__(self, database: Database) -> None:
        self._tokens = database.collection(ACCESS_TOKENS)

    def add(
        self, name: str, role: str = Role.READER, groups: Iterable[str] = (), days: float = VALID
    ) -> tuple[str, AccessToken]:
        """Make a token; return it, for the only time, and what is stored of it.

        Parameters
        ----------
        name
            Whose; it sees what has this owner.
        role
            What the person may do.
        groups
            Groups of the person.
        days
            How long it is valid.

        Raises
        ------
        ConfigurationError
            When a word is none that can be, or the person has a valid token.
        """
        now = datetime.now(UTC)
        named, groups = _named(name, "NAME"), sorted({_named(group, "--group") for group in groups})
        if not 0 < days <= LONGEST:
            raise ConfigurationError(
                f"a token cannot be valid for {days:g} days",
                f"up to {LONGEST}",
                "correct --expires",
            )
        if any(token.state(now) is TokenState.VALID for token in self.of(named)):
            raise ConfigurationError(
                f"{named} has a valid token",
                "one valid token a person",
                f"surfalign access revoke {named}, then add again",
            )
        secret = secrets.token_urlsafe(32)
        token = AccessToken(
            id=secrets.token_hex(6),
            name=named,
            role=_role(role),
            groups=groups,
            hash=_HASHER.hash(secret),
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
        stored = token.model_dump() | {"role": token.role.value, "hash": token.hash}
        self._tokens.insert_one(stored)
        return f"{PREFIX}{token.id}_{secret}", token

    def all(self) -> Iterator[AccessToken]:
        """Yield all tokens, revoked and expired ones too, by name."""
        yield from self._found({})

    def of(self, name: str) -> list[AccessToken]:
        """Return the tokens of a person."""
        return list(self._found({"name": name}))

    def has_valid(self) -> bool:
        """Tell whether anybody is let in."""
        now = datetime.now(UTC)
        return any(token.state(now) is TokenState.VALID for token in self.all())

    def revoke(self, name: str) -> int:
        """Make the tokens of a person invalid at once; return how many were valid.

        Raises
        ------
        ConfigurationError
            When the person never had one.
        """
        now = datetime.now(UTC)
        found = self.of(name)
        if not found:
            raise ConfigurationError(
                f"{name!r} has no token", "a name with a token", "list them: surfalign access list"
            )
        valid = [token.id for token in found if token.state(now) is TokenState.VALID]
        self._tokens.update_many({"id": {"$in": valid}}, {"$set": {"revoked_at": now}})
        return len(valid)

    def verified(self, text: str) -> AccessToken:
        """Return the token that somebody brings, where it is valid.

        Raises
        ------
        AccessError
            When it is none, or no longer valid.
        """
        parts = TOKEN.fullmatch(text)
        token = self._one(parts[1]) if parts else None
        try:
            _HASHER.verify(_NOBODY if token is None else token.hash, parts[2] if parts else "")
        except (VerificationError, InvalidHashError):
            token = None
        if token is None:
            raise refused("is not known here")
        return self._used(token)

    def by_id(self, identifier: str) -> AccessToken:
        """Return the token of a session, which was verified when the session began.

        Raises
        ------
        AccessError
            When it is no longer valid.
        """
        token = self._one(identifier)
        if token is None:
            raise refused("is not known here")
        return self._used(token)

    def _one(self, identifier: str) -> AccessToken | None:
        found = self._tokens.find_one({"id": identifier}, {"_id": 0})
        return None if found is None else AccessToken.model_validate(found)

    def _used(self, token: AccessToken) -> AccessToken:
        """Let a valid token in, and note its use; who holds an invalid one is told why."""
        now = datetime.now(UTC)
        if (state := token.state(now)) is not TokenState.VALID:
            raise refused("was revoked" if state is TokenState.REVOKED else "has expired")
        if token.last_used_at is None or now - token.last_used_at > NOTED_EVERY:
            with suppress(OperationFailure):  # a server that may only read
                self._tokens.update_one({"id": token.id}, {"$set": {"last_used_at": now}})
        return token

    def _found(self, condition: dict[str, Any]) -> Iterator[AccessToken]:
        for record in self._tokens.find(condition, {"_id": 0}, sort={"name": 1, "created_at": 1}):
            yield AccessToken.model_validate(record)


def refused(why: str) -> AccessError:
    """Return the error of a token that lets nobody in."""
    return AccessError(
        f"the access token {why}", "a valid token", "ask who runs this server for a new one"
    )


def _named(text: str, where: str) -> str:
    try:
        if name := checked_name(text):
            return name
        problem = "it is empty"
    except ValueError as error:
        problem = str(error)
    raise ConfigurationError(f"{text!r:.80} is no name: {problem}", "a name", f"correct {where}")


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{text!r:.80} is no role", f"one of {', '.join(Role)}", "correct --role"
        ) from error
