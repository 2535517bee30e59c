"""The same random numbers in every run."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Seed what no training seeds: the weights of networks that a test makes itself."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
