"""The password of the database is in private files alone: in no document, and in no file of a campaign."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from toy_engine import toy_engine

from surfalign.crystals.sources import load_crystal
from surfalign.errors import ConfigurationError
from surfalign.launchers.cluster.fireworks.launcher import FireworksLauncher
from surfalign.launchers.cluster.launcher import open_launcher
from surfalign.launchers.cluster.profiles import load_profile
from surfalign.settings import load_settings
from surfalign.stores.blobs import open_blobs
from surfalign.stores.connection.addresses import address_of
from surfalign.stores.database import Database
from surfalign.workflows.flows import BandAlignmentMaker


def everything(database: Database) -> str:
    """All documents of the database, as one text."""
    collections = database.collection("jobs").database
    return "".join(
        str(document)
        for name in collections.list_collection_names()
        for document in collections[name].find({})
    )


@pytest.mark.parametrize("launcher", ["fireworks", "remote"])
def test_a_campaign_stores_no_password(
    launcher: str,
    database: Database,
    server_uri: str,
    tmp_path: Path,
    write_profile: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(tmp_path / "data"))
    password = server_uri.partition("surfalign:")[2].partition("@")[0]
    profile = load_profile(str(write_profile(launcher)))
    crystal = load_crystal("MgO")
    flow = BandAlignmentMaker(engine=toy_engine(), miller_indices=[(1, 0, 0)]).make(
        crystal.structure, crystal.source, notes=crystal.notes
    )
    with open_launcher(profile) as opened:
        assert opened.submit([flow]) == 1
        assert list(opened.jobs())
        if launcher == "fireworks":
            opened.worksite("local")  # type: ignore[attr-defined]
        assert password not in repr(opened) + str(vars(opened).get("address"))
    stored = everything(database)
    assert "MgO" in stored
    assert password not in stored
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    holders = [path for path in files if password in path.read_text("utf-8", "replace")]
    assert holders
    assert {stat.S_IMODE(path.stat().st_mode) for path in holders} == {0o600}


def test_a_job_on_a_node_sees_the_database_of_its_campaign(
    database: Database,
    server_uri: str,
    write_profile: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the shell that submitted, or the settings file on the node, say: arrays go there, too."""
    profile = load_profile(str(write_profile("fireworks")))
    with FireworksLauncher(profile) as opened:
        site = opened.worksite("local")
    monkeypatch.setenv("SURFALIGN_DATABASE_URI", "mongodb://elsewhere/")
    monkeypatch.setenv("SURFALIGN_DATABASE_NAME", "another")
    for name, value in site.environment.items():
        monkeypatch.setenv(name, value)
    found = address_of(load_settings())
    assert (found.uri, found.name) == (server_uri, database.name)
    monkeypatch.setenv("SURFALIGN_BLOB_STORE", "database")
    with open_blobs() as store:
        store.write("abc", b"content")
    assert database.collection("arrays.files").count_documents({"_id": "abc"}) == 1


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://u:s3cret@host/",
        "mongodb://u:pa/s3cret@host/",
        "mongodb+srv://u:s3cret@host/?w=1",
        "mongodb://host/?tlsCertificateKeyFilePassword=s3cret",
        "mongodb://host/?authMechanismProperties=AWS_SESSION_TOKEN:s3cret",
    ],
)
def test_a_profile_takes_no_secret_of_any_kind(
    uri: str, write_profile: Callable[..., Path]
) -> None:
    path = write_profile("fireworks", {"uri": uri})
    with pytest.raises(ConfigurationError, match="does not belong in a profile") as caught:
        load_profile(str(path))
    assert "s3cret" not in str(caught.value)


def test_a_profile_that_is_no_yaml_shows_none_of_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text("launcher: fireworks\ndatabase: {uri: mongodb://u: s3cret: @host/\n")
    with pytest.raises(ConfigurationError, match=r"is no YAML: look at line \d") as caught:
        load_profile(str(path))
    assert "s3cret" not in str(caught.value)


def test_a_uri_without_secrets_stands_in_a_profile(write_profile: Callable[..., Path]) -> None:
    uri = "mongodb://a,b/?replicaSet=r;tls=true"
    path = write_profile("fireworks", {"uri": uri})
    assert yaml.safe_load(path.read_text())["database"]["uri"] == uri
    found = load_profile(str(path)).settings().database_uri
    assert found is not None
    assert found.get_secret_value() == uri
