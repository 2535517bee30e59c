"""Weights on disk: safetensors with JSON beside the arrays in one file; nothing is unpickled."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surfalign.errors import DamagedFileError

_KEY = "surfalign"


def write_parts(path: Path, parts: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write JSON and arrays to one file, which takes its name when it is complete and on disk."""
    from safetensors.numpy import save

    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    write_whole(path, save(arrays, metadata={_KEY: json.dumps(parts, sort_keys=True)}))


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


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there completely or not at all, even when the machine stops."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder safe on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
