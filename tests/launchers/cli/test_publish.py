"""``surfalign publish`` and ``import-crate``."""

from __future__ import annotations

from pathlib import Path

import pytest
from stored_results import passed_result, store
from typer.testing import CliRunner, Result

from surfalign.errors import PublicationError, QuerySyntaxError
from surfalign.launchers.cli.main import app
from surfalign.stores.database import Database
from surfalign.stores.sharing.register import SharingRegister

pytestmark = pytest.mark.mongo
pytest.importorskip("rocrate")
pytest.importorskip("mlcroissant")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_public_results_are_published_and_brought_into_another_store(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(database, passed_result("mgo"), passed_result("cao", formula="CaO"))
    SharingRegister(database).change(["mgo"], {"visibility": "public", "licence": "CC-BY-4.0"})
    out = str(tmp_path / "oxides")
    with pytest.raises(PublicationError, match=r"1 private \(cao\)"):
        invoke("publish", "--out", out)
    with pytest.raises(QuerySyntaxError):
        invoke("publish", "--out", out, "--where", "formula >")
    said = invoke("publish", "--out", out, "--only-public", "--creator", "Author, Anna").stderr
    assert "Left out: 1 private" in said
    assert "Wrote 1 results under CC-BY-4.0" in said
    assert "Author, Anna" in (tmp_path / "oxides" / "README.md").read_text()
    assert "is as it was published" in invoke("import-crate", out, "--check").stdout
    monkeypatch.setenv("SURFALIGN_DATABASE_NAME", f"{database.name}_copy")
    assert "Wrote 1 results into" in invoke("import-crate", out).stderr
