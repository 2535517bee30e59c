"""A crash at any point leaves the old file or the new one, and secrets stay private."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from surfalign.errors import ConfigurationError, UnwritableFileError
from surfalign.files import load_yaml, make_folder, whole_file, write_whole

#: Writes a megabyte to the file, in two parts; WHERE says at which point the process ends.
_CRASHING = """
import os, sys
from pathlib import Path
import surfalign.files as files

path, where = Path(sys.argv[1]), sys.argv[2]
replace = Path.replace
def crash(*_): os._exit(9)
if where == "before the name": Path.replace = crash
if where == "after the name": Path.replace = lambda self, target: (replace(self, target), crash())
if where == "in sync": os.fsync = crash
with files.whole_file(path, sync=True) as file:
    file.write("new" * 100_000)
    if where == "in the midst": crash()
    file.write("new" * 100_000)
"""


@pytest.mark.processes
@pytest.mark.parametrize("where", ["in the midst", "in sync", "before the name", "after the name"])
@pytest.mark.parametrize("old", [None, "old"])
def test_a_crash_leaves_the_old_file_or_the_new_one(
    where: str, old: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "file.txt"
    if old is not None:
        path.write_text(old)
    crashed = subprocess.run([sys.executable, "-c", _CRASHING, str(path), where], check=False)
    assert crashed.returncode == 9
    found = path.read_text() if path.exists() else None
    assert found == ("new" * 200_000 if where == "after the name" else old)
    write_whole(path, "again", sync=True)
    assert path.read_text() == "again"


def test_an_error_in_the_midst_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_whole(path, "old")
    with pytest.raises(TypeError), whole_file(path) as file:
        file.writelines(["new", 3])
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]
    assert path.read_text() == "old"


_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from surfalign.files import write_whole

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write_whole(Path(sys.argv[1]), b"x" * 2000)
"""


@pytest.mark.processes
def test_a_file_that_cannot_grow_is_named_and_the_old_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    process = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(path)], check=False, capture_output=True, text=True
    )
    assert f"UnwritableFileError: {path} cannot be written: File too large" in process.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]
    assert path.read_text() == "old"


def test_an_absent_folder_is_an_error_of_configuration_and_of_the_system(tmp_path: Path) -> None:
    for kind in (ConfigurationError, OSError, UnwritableFileError):
        with pytest.raises(kind, match="cannot be written: No such file"):
            write_whole(tmp_path / "absent" / "file", "text")


@pytest.mark.parametrize(("private", "mode"), [(True, 0o600), (False, 0o640)])
def test_a_private_file_is_its_owners_alone_and_others_obey_the_umask(
    private: bool, mode: int, tmp_path: Path
) -> None:
    earlier = os.umask(0o027)
    try:
        write_whole(tmp_path / "file", b"\x00\r\n", private=private)
    finally:
        os.umask(earlier)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode
    assert (tmp_path / "file").read_bytes() == b"\x00\r\n"


def test_what_is_no_file_is_written_to_and_links_stay(tmp_path: Path) -> None:
    pipe, target, link = (tmp_path / name for name in ("pipe", "target", "link"))
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(pipe, "text")
    assert os.read(reader, 10) == b"text"
    os.close(reader)
    assert pipe.is_fifo()
    target.write_text("old")
    link.symlink_to(target)
    write_whole(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    write_whole(tmp_path / "a" / "b" / "file", "text")
    with pytest.raises(UnwritableFileError, match="b/file/c cannot be made: Not a directory"):
        make_folder(tmp_path / "a" / "b" / "file" / "c")


def test_lines_end_as_they_were_written(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", "a\r\nb\n")
    assert (tmp_path / "file").read_bytes() == b"a\r\nb\n"


@pytest.mark.parametrize(
    ("text", "key", "lines"),
    [
        ("a: 1\nb: 2\na: 3\n", "a", "lines 1 and 3"),
        ('a: 1\n"a": 3\n', "a", "lines 1 and 2"),
        ("a:\n  b: {c: 1}\n  b: {c: 1}\n", "b", "lines 2 and 3"),
        ("- a: 1\n- {b: 1,\n   b: 1}\n", "b", "lines 2 and 3"),
        ("1: a\n0x1: b\n", "1", "lines 1 and 2"),
        ("yes: a\ntrue: b\n", "True", "lines 1 and 2"),
        ('{"a": [{"b": 1, "b": 2}]}', "b", "line 1"),
    ],
)
def test_a_key_given_twice_is_refused_with_its_lines(text: str, key: str, lines: str) -> None:
    with pytest.raises(ConfigurationError, match="each key once") as refused:
        load_yaml(text, "my.yaml")
    assert refused.value.found == f"my.yaml gives the key '{key}' twice, in {lines}"
    assert "remove one" in refused.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text",
        "a: {x: 1}\nb: {x: 1}\n",
        "1: a\n'1': b\n",
        # A merged mapping is written into another one, here before its own turn; its keys may be given again.
        "a: &a {x: 1}\nd: {b: &b {<<: *a, x: 2}}\nc: {<<: *b, x: 3}\n",
        "a: &a {x: 1}\nb: &b {y: 1}\nc:\n  <<: *a\n  <<: *b\n",
        "a: &a [{x: 1}]\nb: *a\n",
    ],
)
def test_what_stands_once_in_each_mapping_is_read_as_the_safe_loader_does(text: str) -> None:
    assert load_yaml(text, "my.yaml") == yaml.safe_load(text)


@pytest.mark.parametrize("text", ["a: [", "[" * 5000, "a: 2026-02-30", "{[1]: 2}", "!!python/x y"])
def test_what_is_no_yaml_is_said_in_one_way(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        load_yaml(text, "my.yaml")
