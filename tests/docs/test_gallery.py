"""The scripts of the gallery run, and the page shows each with its picture."""

from __future__ import annotations

import runpy
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

DOCS = Path(__file__).parents[2] / "docs"
SCRIPTS = sorted((DOCS / "gallery").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_draws_its_picture(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with mpl.rc_context():
        runpy.run_path(str(script), run_name="__main__")
        plt.close("all")
    drawn = mpl.image.imread(tmp_path / f"{script.stem}.png")
    assert drawn.shape[0] > 400
    assert drawn.std() > 0.05, "the picture is empty"


def test_every_script_is_short_and_shown_with_its_picture() -> None:
    page = (DOCS / "gallery.md").read_text()
    assert len(SCRIPTS) == 8
    for script in SCRIPTS:
        assert len(script.read_text().splitlines()) <= 40
        assert f"gallery/{script.name}\n" in page
        assert f"(_static/gallery/{script.stem}.png)" in page
        assert (DOCS / "_static" / "gallery" / f"{script.stem}.png").is_file()
