"""What several tests of the flows need."""

from __future__ import annotations

import pytest
from jobflow import JobStore
from maggma.stores import MemoryStore


@pytest.fixture
def store() -> JobStore:
    memory = JobStore(MemoryStore())
    memory.connect()
    return memory
