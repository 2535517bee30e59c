from __future__ import annotations

import pytest
from jobflow.core import reference

from surfalign.stores.documents import BulkDocument
from surfalign.workflows.schema_cache import memoise_schema_access


def test_the_shim_answers_like_jobflow_and_installs_once() -> None:
    memoise_schema_access()
    installed = reference.validate_schema_access
    memoise_schema_access()
    assert reference.validate_schema_access is installed
    assert installed(BulkDocument, "energy") == installed.__wrapped__(BulkDocument, "energy")
    with pytest.raises(AttributeError, match="does not have attribute 'enrgy'"):
        installed(BulkDocument, "enrgy")
    before = installed.cache_info().hits
    installed(BulkDocument, "energy")
    assert installed.cache_info().hits == before + 1
