"""``surfalign share`` and ``surfalign access`` against a real database."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from learning_data import toy_dataset
from stored_results import failed_result, flagged_result, passed_result, store
from typer.testing import CliRunner, Result

from surfalign.errors import ConfigurationError, QuerySyntaxError, SharingError
from surfalign.launchers.cli.main import app
from surfalign.ml.data.datasets import write_dataset
from surfalign.stores.database import ACCESS_TOKENS, Database
from surfalign.stores.query.results import get
from surfalign.stores.sharing.register import Kind, SharingRegister

needs_web = pytest.mark.skipif(find_spec("argon2") is None, reason="surfalign[web] is absent")


def invoke(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False, input=answer)


def report(*arguments: str) -> Any:
    return json.loads(invoke(*arguments, "--json").stdout)


@pytest.fixture
def stored(database: Database) -> Database:
    store(database, passed_result("mgo-1"), flagged_result("cao-1"), failed_result("zno-1"))
    return database


def test_a_query_says_what_is_shared(stored: Database) -> None:
    found = report(
        "share", "formula = MgO", "--visibility", "public", "--license", "cc-by-4.0", "--owner", "anna",
        "--embargo-until", "2090-04-01", "--doi", "https://doi.org/10.5281/zenodo.1",
    )  # fmt: skip
    assert (found["matched"], found["changed"]) == (1, 1)
    sharing = get(stored, "mgo-1").sharing
    assert sharing is not None
    assert (sharing.owner, sharing.licence, sharing.doi) == (
        "anna", "CC-BY-4.0", "10.5281/zenodo.1",
    )  # fmt: skip
    assert found["sharing"] == [{"number": 1, **sharing.model_dump(mode="json")}]
    assert get(stored, "cao-1").sharing is None
    report("share", "formula = MgO", "--embargo-until", "none")
    assert get(stored, "mgo-1").sharing.embargo_until is None


def test_without_options_it_shows_what_was_said(stored: Database) -> None:
    invoke("share", "formula = MgO", "--owner", "anna")
    result = invoke("share")
    assert result.exit_code == 0
    assert "anna" in result.stdout
    assert "private (nothing said)" in result.stdout
    assert report("share")["changed"] == 0


def test_a_dry_run_changes_nothing(stored: Database) -> None:
    result = invoke("share", "--visibility", "public", "--dry-run")
    assert "Would change 3 results of 3" in result.stderr
    assert SharingRegister(stored).get(["mgo-1", "cao-1", "zno-1"]) == {}


def test_many_are_changed_when_the_user_says_so(database: Database) -> None:
    store(database, *(passed_result(f"mgo-{number}") for number in range(11)))
    for answer, expected in (("n\n", 0), ("", 0), ("y\n", 11)):
        invoke("share", "--owner", "anna", answer=answer)
        assert len(SharingRegister(database).get(f"mgo-{n}" for n in range(11))) == expected
    assert report("share", "--owner", "bert", "--yes")["changed"] == 11


def test_what_is_likely_to_be_a_mistake_is_noted(stored: Database) -> None:
    result = invoke(
        "share", "formula = MgO", "--visibility", "public", "--owner", "anna", "--group", "lab"
    )
    for note in ("of the group lab", "of the owner anna", "without a licence"):
        assert note in result.stderr


@pytest.mark.parametrize(
    ("arguments", "error", "found"),
    [
        (["--visibility", "secret"], SharingError, "visibility cannot be 'secret'"),
        (["--visibility", "group"], SharingError, "no group is named"),
        (["--embargo-until", "2020-01-01", "--visibility", "public"], SharingError, "is over"),
        (["--embargo-until", "2090-01-01"], SharingError, "its visibility is private"),
        (["--embargo-until", "soon"], SharingError, "embargo_until cannot be 'soon'"),
        (["--licence", "free"], SharingError, "licence cannot be"),
        (["colour = red"], QuerySyntaxError, "no field 'colour'"),
        (["formula = MgO", "--dataset", "x"], ConfigurationError, "both given"),
    ],
)
def test_what_cannot_be_is_refused(
    stored: Database, arguments: list[str], error: type[Exception], found: str
) -> None:
    with pytest.raises(error, match=found):
        invoke("share", *arguments)
    assert SharingRegister(stored).get(["mgo-1"]) == {}


def test_a_data_set_is_shared_by_its_digest(database: Database, tmp_path: Path) -> None:
    data = toy_dataset(4)
    file = tmp_path / "toy.dataset.json.gz"
    write_dataset(data, file)
    report("share", "--dataset", str(file), "--visibility", "public", "--licence", "CC0-1.0")
    [(digest, record)] = SharingRegister(database).all_of(Kind.DATASET)
    assert digest == data.digest
    assert record.licence == "CC0-1.0"


@needs_web
def test_a_token_is_made_listed_and_revoked(database: Database) -> None:
    made = report("access", "add", "anna", "--role", "contributor", "--group", "lab")
    assert made["token"].startswith(f"surfalign_{made['id']}_")
    plain = invoke("access", "add", "bert", "--expires", "1")
    assert plain.stdout.startswith("surfalign_")
    assert len(plain.stdout.splitlines()) == 1
    assert "not shown again" in plain.stderr
    listed = report("access", "list")
    assert [(token["name"], token["state"]) for token in listed] == [
        ("anna", "valid"), ("bert", "valid"),
    ]  # fmt: skip
    assert not any("hash" in token or "token" in token for token in listed)
    assert "Revoked" in invoke("access", "revoke", "anna").stdout
    assert "no valid token any more" in invoke("access", "revoke", "anna").stdout
    shown = invoke("access", "list").stdout
    assert "revoked" in shown
    assert made["token"] not in shown
    assert database.collection(ACCESS_TOKENS).count_documents({}) == 2


@needs_web
@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["add", "anna", "--role", "king"], "'king' is no role"),
        (["add", "a b"], "is no name"),
        (["add", "anna", "--group", "a/b"], "is no name"),
        (["add", "anna", "--expires", "-1"], "cannot be valid for -1 days"),
        (["revoke", "nobody"], "'nobody' has no token"),
    ],
)
def test_access_that_cannot_be_is_refused(
    database: Database, arguments: list[str], found: str
) -> None:
    with pytest.raises(ConfigurationError, match=found):
        invoke("access", *arguments)
    assert database.collection(ACCESS_TOKENS).count_documents({}) == 0


@needs_web
def test_nobody_has_access_at_first(database: Database) -> None:
    assert "Nobody has access" in invoke("access", "list").stderr
