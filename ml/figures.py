"""Figures of a trained model: parity, learning curve, residuals by element."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from surfalign.errors import EmptyDatasetError

Array = NDArray[np.float64]


def parity_figure(
    labels: Mapping[str, Array],
    predictions: Mapping[str, Array],
    units: Mapping[str, str],
    path: Path,
) -> None:
    """Draw predictions against labels, one panel for each property.

    Parameters
    ----------
    labels, predictions
        Property to values, shape (n_slabs,), in the property's unit.
    units
        Property to unit.
    path
        Where to write (png, pdf, svg).
    """
    figure = Figure(figsize=(4.2 * len(labels), 4.2), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(labels)))
    for panel, (name, values) in zip(panels, labels.items(), strict=True):
        predicted = predictions[name]
        low = float(min(values.min(), predicted.min()))
        high = float(max(values.max(), predicted.max()))
        panel.plot([low, high], [low, high], color="0.6", linewidth=1.0)
        panel.scatter(values, predicted, s=12, alpha=0.7, linewidths=0.0)
        error = float(np.abs(predicted - values).mean())
        title = name.replace("_", " ")
        panel.set(
            xlabel=f"DFT {title} ({units[name]})",
            ylabel=f"predicted {title} ({units[name]})",
            title=f"mean absolute error {error:.2f} {units[name]}",
            aspect="equal",
        )
    _save(figure, path)


def read_learning_curve(directory: Path) -> dict[str, list[tuple[int, float]]]:
    """Return what a training run logged, resumed parts joined.

    Parameters
    ----------
    directory
        The run's directory.

    Returns
    -------
    dict
        Name of the logged number to (epoch, value); a repeated epoch counts once.

    Raises
    ------
    EmptyDatasetError
        If nothing was logged there.
    """
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for file in sorted((directory / "log").glob("version_*/metrics.csv"), key=_version):
        with file.open() as lines:
            for row in csv.DictReader(lines):
                for name, text in row.items():
                    if name not in ("epoch", "step") and text:
                        found[name][int(row["epoch"])] = float(text)
    if not found:
        raise EmptyDatasetError(
            f"{directory} holds no log of a training run",
            "the directory that was given to the training",
            "train first",
        )
    return {name: sorted(values.items()) for name, values in found.items()}


def learning_curve_figure(directory: Path, path: Path) -> None:
    """Draw training loss and validation error over the epochs of a run."""
    curves = read_learning_curve(directory)
    figure = Figure(figsize=(5.0, 3.6), layout="constrained")
    panel = figure.subplots()
    for name in ("training_loss", "validation_error"):
        if name in curves:
            epochs, values = zip(*curves[name], strict=True)
            panel.plot(np.array(epochs) + 1, values, label=name.replace("_", " "))
    panel.set(xlabel="epoch", ylabel="error (standard deviations of the labels)")
    panel.legend(frameon=False)
    _save(figure, path)


def residuals_figure(
    compositions: Sequence[Sequence[str]], residuals: Array, unit: str, path: Path
) -> None:
    """Draw the residuals of the slabs that hold each element.

    Parameters
    ----------
    compositions
        Symbols of the elements of each slab.
    residuals
        Prediction minus label, shape (n_slabs,).
    unit
        Of the residuals.
    path
        Where to write.
    """
    by_element: dict[str, list[float]] = defaultdict(list)
    for symbols, residual in zip(compositions, residuals, strict=True):
        for symbol in set(symbols):
            by_element[symbol].append(float(residual))
    order = sorted(by_element, key=lambda symbol: -float(np.mean(np.abs(by_element[symbol]))))
    figure = Figure(figsize=(max(5.0, 0.22 * len(order)), 3.6), layout="constrained")
    panel = figure.subplots()
    panel.axhline(0.0, color="0.6", linewidth=1.0)
    panel.boxplot([by_element[symbol] for symbol in order], widths=0.7, showfliers=False)
    panel.set_xticks(np.arange(1, len(order) + 1), order, rotation=90, fontsize=7)
    panel.set_ylabel(f"prediction minus label ({unit})")
    _save(figure, path)


def _version(file: Path) -> int:
    return int(file.parent.name.removeprefix("version_"))


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
