"""Figures are written, and the learning curve joins the parts of a resumed run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from surfalign.errors import EmptyDatasetError
from surfalign.ml.figures import (
    learning_curve_figure,
    parity_figure,
    read_learning_curve,
    residuals_figure,
)


@pytest.fixture
def run_directory(tmp_path: Path) -> Path:
    header = "epoch,step,training_loss,validation_error\n"
    parts = {
        "version_0": "0,1,0.9,\n0,1,,1.2\n1,3,0.8,\n",
        "version_10": "1,3,0.7,1.0\n2,5,0.6,0.9\n",
    }
    for name, rows in parts.items():
        (tmp_path / "log" / name).mkdir(parents=True)
        (tmp_path / "log" / name / "metrics.csv").write_text(header + rows)
    return tmp_path


def test_learning_curve_of_a_resumed_run(run_directory: Path) -> None:
    assert read_learning_curve(run_directory) == {
        "training_loss": [(0, 0.9), (1, 0.7), (2, 0.6)],
        "validation_error": [(0, 1.2), (1, 1.0), (2, 0.9)],
    }


def test_directory_without_log(tmp_path: Path) -> None:
    with pytest.raises(EmptyDatasetError, match="no log"):
        read_learning_curve(tmp_path)


def test_figures_are_written(run_directory: Path) -> None:
    labels = {"ionization_potential": np.array([5.0, 6.0, 7.5])}
    predictions = {"ionization_potential": np.array([5.2, 5.7, 7.6])}
    folder = run_directory / "figures"
    parity_figure(labels, predictions, {"ionization_potential": "eV"}, folder / "parity.png")
    learning_curve_figure(run_directory, folder / "curve.png")
    residuals_figure(
        [["Mg", "O"], ["Ti", "O"], ["O", "O"]], np.array([0.2, -0.3, 0.1]), "eV", folder / "r.png"
    )
    for name in ("parity", "curve", "r"):
        assert (folder / f"{name}.png").stat().st_size > 2000
