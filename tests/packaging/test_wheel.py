"""The wheel holds the folders under one package name, and nothing generic."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.programs

ROOT = Path(__file__).parents[2]
FOLDERS = {"src/surfalign": "surfalign"} | {
    name: f"surfalign/{name}" for name in ("workflows", "ml", "stores", "launchers")
}


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    directory = tmp_path_factory.mktemp("wheel")
    process = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", directory, ROOT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    (wheel,) = directory.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def tracked(folder: str) -> set[str]:
    """Files of a folder, links to folders left out."""
    base = ROOT / folder
    return {
        str(path.relative_to(base))
        for path in base.rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and not any(parent.is_symlink() for parent in [path, *path.parents] if parent != ROOT)
    }


def test_the_wheel_holds_exactly_the_folders(wheel_names: set[str]) -> None:
    expected = {
        f"{target}/{name}" for folder, target in FOLDERS.items() for name in tracked(folder)
    }
    packaged = {name for name in wheel_names if ".dist-info/" not in name}
    assert packaged == expected


def test_no_generic_name_reaches_site_packages(wheel_names: set[str]) -> None:
    tops = {name.split("/")[0] for name in wheel_names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"surfalign"}


@pytest.mark.parametrize("name", ["workflows", "ml", "stores", "launchers"])
def test_the_folders_cannot_be_imported_by_their_generic_name(name: str) -> None:
    process = subprocess.run(
        [sys.executable, "-c", f"import {name}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode != 0
    assert f"import this package as surfalign.{name}" in process.stderr
