"""What commands write: tables on the terminal, JSON for scripts."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from surfalign.errors import ConfigurationError
from surfalign.files import make_folder, write_whole

#: Columns where the output is no terminal, so that a file holds whole rows.
FILE_WIDTH = 200


def output_console() -> Console:
    """Return the console of the standard output."""
    return Console(width=None if sys.stdout.isatty() else FILE_WIDTH)


def is_stdout(json_file: Path | None) -> bool:
    """Tell whether ``--json -`` was given: the standard output then holds JSON and nothing else."""
    return json_file is not None and str(json_file) == "-"


def make_folders(json_file: Path | None, figures: Path | None = None) -> None:
    """Make the folders of the outputs before anything is computed for them.

    Raises
    ------
    UnwritableFileError
        When one cannot be made, or written to.
    ConfigurationError
        When a folder is where the JSON file shall be.
    """
    folders = [figures] if figures is not None else []
    if json_file is not None and not is_stdout(json_file) and not json_file.exists():
        folders.append(json_file.expanduser().parent)
    for folder in folders:
        make_folder(folder)
    if json_file is not None and json_file.expanduser().is_dir():
        raise ConfigurationError(
            f"--json names the folder {json_file}", "a file", f"--json {json_file}/answer.json"
        )


def print_json(plain: Any) -> None:
    """Print JSON for ``--json``."""
    typer.echo(_json_text(plain))


def write_json(plain: Any, json_file: Path | None) -> None:
    """Write JSON where ``--json FILE`` says: to a file, to the output, or nowhere."""
    if json_file is None:
        return
    if is_stdout(json_file):
        print_json(plain)
        return
    text = _json_text(plain)
    write_whole(json_file, text + "\n")
    typer.echo(f"Wrote {json_file}", err=True)


def _json_text(plain: Any) -> str:
    """Return JSON that every reader takes: a number that is not finite is null."""
    return json.dumps(_finite(plain), indent=1, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
