"""The folders of what a command writes, made before anything is computed for them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from surfalign.errors import ConfigurationError


def make_folders(folders: Iterable[Path]) -> None:
    """Make folders where they are missing.

    Raises
    ------
    ConfigurationError
        When one cannot be made.
    """
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"the folder {folder} cannot be made: {error.strerror or error}",
                "a folder that may be written to",
                "name another one with --json or --figure",
            ) from error
