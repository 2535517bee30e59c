"""The identity of a calculation's settings, and that of a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def hash_of(settings: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical JSON of some settings.

    Parameters
    ----------
    settings
        Values that JSON does not know count as their text.
    """
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
