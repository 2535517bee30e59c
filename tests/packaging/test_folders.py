"""Every folder has a reason, is small, and stands in the table of the architecture."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Folders of code, links left out; the public interface and the test of its names are elsewhere.
FOLDERS = sorted(
    file.parent.relative_to(ROOT).as_posix()
    for top in (
        "launchers",
        "workflows",
        "ml",
        "stores",
        "src/surfalign/crystals",
        "src/surfalign/physics",
    )
    for file in (ROOT / top).rglob("__init__.py")
)
#: One file a command: whoever looks for a command finds its file.
LARGEST, COMMANDS = 13, "launchers/cli"


def reason(folder: str) -> str:
    text = ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text()))
    assert text, f"{folder}/__init__.py says nothing"
    return text.splitlines()[0].removesuffix(".")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_has_a_reason_of_few_words_and_few_files(folder: str) -> None:
    assert len(reason(folder).split()) <= 6
    assert len(list((ROOT / folder).glob("*.py"))) <= LARGEST or folder == COMMANDS


def test_the_architecture_names_all_folders_and_their_reasons() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z/]+)` \| (.+) \|$", page, flags=re.M))
    assert rows == {folder: reason(folder) for folder in FOLDERS}
