"""Files that are there whole or not at all, files that only their owner may read, and YAML."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import yaml

from surfalign.errors import (
    ConfigurationError,
    MissingFileError,
    SurfalignError,
    UnwritableFileError,
)


def write_whole(
    path: Path, content: str | bytes, *, private: bool = False, sync: bool = False
) -> None:
    """Write a file in one step; parameters and errors as for :func:`whole_file`."""
    binary = isinstance(content, bytes)
    with whole_file(path, binary=binary, private=private, sync=sync) as file:
        file.write(content)


def make_folder(folder: Path) -> None:
    """Make a folder with those above it, where it is missing.

    Raises
    ------
    UnwritableFileError
        When it cannot be made, or nothing can be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(folder, os.W_OK | os.X_OK) else "may not be written to"
    except OSError as error:
        reason = f"cannot be made: {error.strerror or error}"
    if reason:
        raise UnwritableFileError(
            f"the folder {folder} {reason}",
            "a folder that exists or can be made, and may be written to",
            "name another one",
        )


@contextmanager
def whole_file(
    path: Path, *, binary: bool = False, private: bool = False, sync: bool = False
) -> Iterator[IO[Any]]:
    """Open a file that takes its name when it is complete.

    Whoever reads meanwhile, or after a crash at any point, finds what was there before, or all of the
    new content, never a part. What is no file, such as ``/dev/null`` or a pipe, is written to as it stands.

    Parameters
    ----------
    path
        Where the file will be; its folder exists. A link stays one, but for private files.
    binary
        Whether bytes are written; else text in UTF-8, its line ends as they are written.
    private
        Whether only the owner may read it (mode 600); else as the umask says.
    sync
        Whether it must outlast a machine that stops: content and name are on disk at the end.

    Raises
    ------
    UnwritableFileError
        When the file cannot be written, e.g. because the disk is full.
    """
    path = path.expanduser()
    as_it_stands = path.exists() and not path.is_file() and not path.is_dir()
    if path.is_symlink() and not private and not as_it_stands:
        path = path.resolve()
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:12]}")
    form = "wb" if binary else "w"
    encoding, newline = (None, None) if binary else ("utf-8", "")
    try:
        if as_it_stands:
            with path.open(form, encoding=encoding, newline=newline) as file:
                yield file
            return
        mode = 0o600 if private else 0o666
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, form, encoding=encoding, newline=newline) as file:
            yield file
            if sync:
                file.flush()
                os.fsync(descriptor)
        temporary.replace(path)
        if sync:
            sync_folder(path.parent)
    except SurfalignError:
        raise
    except OSError as error:
        raise UnwritableFileError(
            f"{path} cannot be written: {error.strerror or error}",
            "a file in a folder that exists and may be written to",
            "name another file, or make room",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def require_file(path: Path) -> None:
    """Refuse a path where no file is: a typing error is not a damaged file.

    Raises
    ------
    MissingFileError
        When there is nothing, or a folder.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise MissingFileError(f"the file {path} {what}", "a file", "correct its name")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder safe on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_secret(path: Path) -> str:
    """Read a file that nobody but its owner may read.

    Raises
    ------
    ConfigurationError
        When it is missing, empty, or its mode lets others read it.
    """
    path = path.expanduser()
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(
            f"the file {path} cannot be read: {error.strerror}",
            "a file that holds the URI of the database",
            "correct database_uri_file, or uri_file in the profile",
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(
            f"the file {path} can be read by others (mode {stat.S_IMODE(mode):o})",
            "mode 600, because it holds a password",
            f"chmod 600 {path}",
        )
    if not text:
        raise ConfigurationError(f"the file {path} is empty", "the URI of the database", "fill it")
    return text


def load_yaml(text: str, where: str) -> Any:
    """Return what a YAML text holds, plain values only; JSON is YAML, too.

    Parameters
    ----------
    text
        The text.
    where
        Its name, for messages.

    Raises
    ------
    ConfigurationError
        When a key is given twice in one mapping: one of the two values would be lost.
    yaml.YAMLError
        When it is no YAML, nested too deeply, or a value in it is not valid.
    """
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        twice = next(_given_twice(loader, root), None)
        content = None if root is None else loader.construct_document(root)
    except RecursionError:
        raise yaml.YAMLError("it is nested too deeply") from None
    except ValueError as error:  # such as the 32nd day of a month
        raise yaml.YAMLError(f"a value in it is not valid: {error}") from error
    if twice is not None:
        key, (first, second) = twice
        lines = f"line {first}" if first == second else f"lines {first} and {second}"
        raise ConfigurationError(
            f"{where} gives the key '{key}' twice, in {lines}",
            "each key once",
            "remove one of the two, or give it another name",
        )
    return content


# The C loader is ten times faster; some builds of PyYAML lack it.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: Keys that may stand twice (each ``<<`` is merged), and one that the loader takes for a text.
_SPECIAL_KEYS = {"tag:yaml.org,2002:merge", "tag:yaml.org,2002:value"}


def _given_twice(loader: Any, root: yaml.Node | None) -> Iterator[tuple[Any, tuple[int, int]]]:
    """Yield keys that stand twice in a mapping, with the two lines.

    Looked at before anything is constructed: the loader writes merged keys into the mappings.
    """
    nodes, met = [root], set[int]()
    while nodes:
        node = nodes.pop()
        if id(node) in met:  # an alias
            continue
        met.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        if not isinstance(node, yaml.MappingNode):
            continue
        lines: dict[Any, int] = {}
        for name, value in node.value:
            nodes.append(value)
            if not isinstance(name, yaml.ScalarNode) or name.tag in _SPECIAL_KEYS:
                continue
            key, line = loader.construct_object(name), name.start_mark.line + 1
            if key in lines:
                yield key, (lines[key], line)
            lines[key] = line
