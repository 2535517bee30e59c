"""The application on a real local database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi")

from starlette.testclient import TestClient
from stored_results import failed_result, flagged_result, passed_result, store

from surfalign.launchers.web.application import create_app
from surfalign.settings import load_settings
from surfalign.stores.database import Database, connect


@pytest.fixture
def client(database: Database) -> Iterator[TestClient]:
    """A browser before three results: one passed, one flagged, one failed."""
    store(
        database,
        passed_result("mgo-100", space_group_symbol="Fm-3m"),
        flagged_result("cao-100"),
        failed_result("zno-110"),
    )
    settings = load_settings()
    with TestClient(
        create_app(lambda: connect(settings)),
        base_url="http://127.0.0.1",
        raise_server_exceptions=False,
    ) as opened:
        yield opened
