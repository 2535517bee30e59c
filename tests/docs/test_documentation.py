"""The documentation builds without warnings, and its code runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from toy_plugin import toy_plugin

ROOT = Path(__file__).parents[2]
#: Pages whose python and bash blocks are run in order, in one directory each.
PAGES = ["README.md", *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md"))]
#: What a page may read where its code runs.
DATA_SET = ROOT / "docs" / "datasets" / "oxide-surfaces-v0.jsonl.gz"
#: Pages whose code runs with the toy engine, for they tell of many calculations.
TOY_PAGES = ["docs/how-to/explore.md"]
_BLOCK = re.compile(
    r"(<!-- not run: [^>]+ -->\n)?```(python|bash)\n(.*?)```(?:\n+```text\n(.*?)```)?", re.S
)


def blocks(page: str) -> list[tuple[str, str, str]]:
    """(language, code, expected output) of the blocks to run."""
    text = (ROOT / page).read_text()
    return [(m[2], m[3], m[4] or "") for m in _BLOCK.finditer(text) if m[1] is None]


@pytest.mark.programs
def test_the_site_builds_without_warnings(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    process = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-W",
            "--keep-going",
            "-q",
            "-b",
            "html",
            ROOT / "docs",
            tmp_path,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert (tmp_path / "index.html").is_file()


@pytest.fixture(scope="module")
def environment(server_uri: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One database for all pages, so that what one page computed the next one reuses."""
    uri_file = tmp_path_factory.mktemp("documentation") / "uri"
    uri_file.touch(mode=0o600)
    uri_file.write_text(server_uri)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {
        "PATH": path,
        "SURFALIGN_DATABASE_URI_FILE": str(uri_file),
        "SURFALIGN_DATABASE_NAME": "documentation",
    }


@pytest.mark.dft
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page) and page not in TOY_PAGES])
def test_the_code_of_a_page_runs(page: str, tmp_path: Path, environment: dict[str, str]) -> None:
    run_blocks(page, blocks(page), tmp_path, environment)


@pytest.mark.programs
@pytest.mark.parametrize("page", TOY_PAGES)
def test_the_code_of_a_page_runs_with_the_toy_engine(
    page: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    toy = [
        (language, code.replace("engine: gpaw", "engine: toy"), expected)
        for language, code, expected in blocks(page)
    ]
    folder = tmp_path / "work"
    folder.mkdir()
    path = toy_plugin(tmp_path / "plugin")
    run_blocks(page, toy, folder, environment | {"PYTHONPATH": path})


def run_blocks(
    page: str, code_blocks: list[tuple[str, str, str]], folder: Path, environment: dict[str, str]
) -> None:
    (folder / DATA_SET.name).symlink_to(DATA_SET)
    session = ""  # the python blocks of a page are one session
    for number, (language, code, expected) in enumerate(code_blocks, 1):
        if language == "python":
            session += code
        command = (
            [sys.executable, "-c", session] if language == "python" else ["bash", "-euc", code]
        )
        process = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert process.returncode == 0, f"block {number} of {page}:\n{code}\n{process.stderr}"
        for line in expected.strip().splitlines():
            assert line.strip() in process.stdout, f"block {number} of {page}: no line {line!r}"
