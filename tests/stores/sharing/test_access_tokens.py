"""Access tokens: shown once, stored as hashes, valid for a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any

import pytest

from surfalign.errors import AccessError, ConfigurationError
from surfalign.stores.database import ACCESS_TOKENS, Database
from surfalign.stores.sharing.visibility import Role, Viewer

if find_spec("argon2") is None:
    pytest.skip("the optional packages of surfalign[web] are absent", allow_module_level=True)

from surfalign.stores.sharing.access_tokens import AccessRegister, TokenState


def test_a_token_lets_its_bearer_in_as_who_it_is(database: Database) -> None:
    register = AccessRegister(database)
    text, _ = register.add("anna", "contributor", ["lab", "lab"], days=1)
    assert register.verified(text).viewer == Viewer("anna", frozenset({"lab"}), Role.CONTRIBUTOR)
    [token] = register.all()
    assert token.last_used_at is not None


def test_the_secret_is_stored_nowhere(database: Database) -> None:
    text, token = AccessRegister(database).add("anna")
    secret = text.split("_", 2)[2]
    [stored] = database.collection(ACCESS_TOKENS).find()
    assert secret not in str(stored)
    assert stored["hash"].startswith("$argon2id$")
    assert secret not in repr(token)
    assert "hash" not in token.model_dump_json()


def test_equal_tokens_do_not_exist(database: Database) -> None:
    register = AccessRegister(database)
    made = {register.add(f"person{number}")[0] for number in range(20)}
    assert len({text.split("_", 2)[2] for text in made}) == 20


def altered(text: str) -> str:
    return text[:-1] + ("A" if text[-1] != "A" else "B")


def test_a_forged_token_lets_nobody_in(database: Database) -> None:
    register = AccessRegister(database)
    text, token = register.add("anna")
    other, _ = register.add("bert")
    mixed = f"surfalign_{token.id}_{other.split('_', 2)[2]}"
    unknown = text.replace(token.id, "0" * 12)
    for forged in (altered(text), mixed, unknown, "", "x", token.id, text + " ", text * 2):
        with pytest.raises(AccessError, match="the access token is not known here"):
            register.verified(forged)


def test_a_revoked_token_is_invalid_at_once(database: Database) -> None:
    register = AccessRegister(database)
    text, token = register.add("anna")
    register.verified(text)
    assert register.revoke("anna") == 1
    assert register.revoke("anna") == 0
    for ask in (lambda: register.verified(text), lambda: register.by_id(token.id)):
        with pytest.raises(AccessError, match="was revoked"):
            ask()
    assert not register.has_valid()


def test_a_token_expires_by_itself(database: Database) -> None:
    register = AccessRegister(database)
    text, token = register.add("anna", days=30)
    assert token.state(datetime.now(UTC) + timedelta(days=29)) is TokenState.VALID
    past = datetime.now(UTC) - timedelta(seconds=1)
    database.collection(ACCESS_TOKENS).update_one({}, {"$set": {"expires_at": past}})
    with pytest.raises(AccessError, match="has expired"):
        register.verified(text)
    with pytest.raises(AccessError, match="is not known here"):
        register.verified(altered(text))  # who does not hold it learns nothing of it
    assert not register.has_valid()
    register.add("anna")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"name": ""}, "is no name: it is empty"),
        ({"name": "a/b"}, "'a/b' is no name"),
        ({"name": "anna", "role": "king"}, "'king' is no role"),
        ({"name": "anna", "groups": ["a lab"]}, "'a lab' is no name"),
        ({"name": "anna", "days": 0}, "valid for 0 days"),
        ({"name": "anna", "days": 1e9}, "days"),
        ({"name": "anna", "days": float("nan")}, "days"),
    ],
)
def test_what_cannot_be_is_refused(
    database: Database, arguments: dict[str, Any], found: str
) -> None:
    with pytest.raises(ConfigurationError, match=found):
        AccessRegister(database).add(**arguments)


def test_a_person_has_one_valid_token(database: Database) -> None:
    register = AccessRegister(database)
    register.add("anna")
    with pytest.raises(ConfigurationError, match="anna has a valid token"):
        register.add("anna")
    with pytest.raises(ConfigurationError, match="'bert' has no token"):
        register.revoke("bert")
