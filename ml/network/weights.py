"""Weights on disk: safetensors with JSON beside the arrays in one file; nothing is unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surfalign.errors import DamagedFileError
from surfalign.files import write_whole

_KEY = "surfalign"


def write_parts(path: Path, parts: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write JSON and arrays to one file, which takes its name when it is complete and on disk."""
    from safetensors.numpy import save

    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    content = save(arrays, metadata={_KEY: json.dumps(parts, sort_keys=True)})
    write_whole(path, content, sync=True)


def read_parts(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read what :func:`write_parts` wrote.

    Raises
    ------
    DamagedFileError
        When the file is absent, truncated, or none of ours.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            parts = json.loads((file.metadata() or {})[_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise DamagedFileError(
            f"the weights {path} cannot be read: {type(error).__name__}: {error}",
            "a whole safetensors file that surfalign wrote",
            "copy it again, or train again",
        ) from error
    return parts, tensors
