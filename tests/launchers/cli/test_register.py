"""``surfalign register``: examples to fill in, checks, and what becomes of an entry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stored_results import passed_result, store
from typer.testing import CliRunner, Result

from surfalign.errors import ConfigurationError
from surfalign.launchers.cli.main import app
from surfalign.stores.database import Database


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


@pytest.mark.mongo
def test_an_entry_is_checked_stored_compared_and_removed(
    database: Database, tmp_path: Path
) -> None:
    store(database, passed_result("tio2", formula="TiO2", space_group_number=136,
                                  miller_index=(1, 1, 0), surface_name="TiO2(110)-B"))  # fmt: skip
    path = tmp_path / "my.yaml"
    example = invoke("register", "--template", "ups").stdout
    for field in ("space_group", "orientation"):  # optional, so comments in the example
        example = example.replace(f"# {field}:", f"{field}:")
    path.write_text(example)
    assert "TiO2(110) measured: fits" in invoke("register", str(path), "--check").stdout
    assert "stored (registered-TiO2-" in invoke("register", str(path)).stdout
    again = invoke("register", str(path)).stdout
    assert "was there" in again
    compared = json.loads(invoke("validate", "levels", "--json", "-").stdout)["compared"]
    assert "A. Author et al., J. Example 1, 23 (2026)" in {row["source"] for row in compared}
    identifier = again.partition("(registered-")[2].partition(")")[0]
    shown = invoke("show", f"registered-{identifier}").stdout
    assert "J. Example 1, 23 (2026)" in shown
    assert "Deleted" in invoke("register", "--remove", f"registered-{identifier}").stdout
    assert json.loads(invoke("query", "origin = measured", "--json", "-").stdout) == []


def test_a_command_that_asks_for_nothing_or_for_two_things_is_explained() -> None:
    for arguments in ([], ["my.yaml", "--template", "ups"]):
        with pytest.raises(ConfigurationError, match=r"register --template computed > my.yaml"):
            invoke("register", *arguments)
