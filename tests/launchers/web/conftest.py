"""The application on a real local database."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from stored_results import failed_result, flagged_result, passed_result, store

from surfalign.settings import load_settings
from surfalign.stores.database import Database, connect

if TYPE_CHECKING:
    from starlette.testclient import TestClient

#: Without the optional packages there is nothing to test.
collect_ignore_glob = [] if find_spec("fastapi") else ["test_*.py"]


@pytest.fixture
def client(database: Database) -> Iterator[TestClient]:
    """A browser before three results: one passed, one flagged, one failed."""
    store(
        database,
        passed_result("mgo-100", space_group_symbol="Fm-3m"),
        flagged_result("cao-100"),
        failed_result("zno-110"),
    )
    from starlette.testclient import TestClient

    from surfalign.launchers.web.application import create_app

    settings = load_settings()
    with TestClient(
        create_app(lambda: connect(settings)),
        base_url="http://127.0.0.1",
        raise_server_exceptions=False,
    ) as opened:
        yield opened
