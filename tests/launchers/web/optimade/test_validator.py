"""The official validator against the running command, on the real local database."""

from __future__ import annotations

import pytest
from optimade.validator import ImplementationValidator
from served_pages import served, store_shipped_results

from surfalign.stores.database import Database


@pytest.mark.processes
@pytest.mark.parametrize("version", ["", "/v1"])
def test_all_mandatory_and_optional_tests_of_the_validator_pass(
    database: Database, version: str
) -> None:
    store_shipped_results(database)
    with served() as address:
        validator = ImplementationValidator(
            base_url=f"{address}/optimade{version}", run_optional_tests=True
        )
        validator.validate_implementation()
    results = validator.results
    assert results.failure_messages == []
    assert results.optional_failure_messages == []
    assert results.internal_failure_messages == []
    assert validator.valid
    assert results.success_count > 50
    assert results.optional_success_count > 10
