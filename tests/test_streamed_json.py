"""Long lists item by item: what json.loads gives, and an error for all that it refuses."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from surfalign import streamed_json
from surfalign.errors import DamagedFileError
from surfalign.streamed_json import iterate_list

LISTS = (
    "[]",
    " [ ] \n",
    "[1]",
    "[12345, -1.5e3 ,null,true]",
    '[{"a": [1, 2, {"b": "]"}]}, "text, with [signs]", []]\n',
    '["\\u00e5", "å\\"", {"": {}}]',
)
NO_LISTS = ("", "{}", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1] 2", "[1]]", "[nul]", '["a')


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("text", LISTS)
@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_a_list_gives_what_json_gives(
    text: str, chunk: int, compressed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed_json, "_CHUNK", chunk)
    path = tmp_path / "list.json"
    path.write_bytes(gzip.compress(text.encode()) if compressed else text.encode())
    assert list(iterate_list(path)) == json.loads(text)


@pytest.mark.parametrize("text", NO_LISTS)
@pytest.mark.parametrize("chunk", [1, 1000])
def test_what_is_no_whole_list_is_refused(
    text: str, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed_json, "_CHUNK", chunk)
    path = tmp_path / "list.json"
    path.write_text(text)
    with pytest.raises(DamagedFileError, match="cannot be read"):
        list(iterate_list(path))


def test_a_truncated_gzip_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.json.gz"
    path.write_bytes(gzip.compress(json.dumps(list(range(10000))).encode())[:-100])
    with pytest.raises(DamagedFileError, match="cannot be read"):
        list(iterate_list(path))
