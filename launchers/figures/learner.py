"""Pictures of what a learner looks at: slabs coloured by attention, and what its inputs do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from surfalign.launchers.figures.style import (
    BLUE,
    FAINT,
    INK,
    draw_discs,
    file_stem,
    repeated,
    save,
    shown_unit,
    side_axes,
)
from surfalign.ml.data.records import SurfaceRecord
from surfalign.ml.ensemble.ensemble import SurfaceEstimate
from surfalign.ml.properties.property import Level, Property

#: Inputs that a picture shows, those of the largest effects.
SHOWN_INPUTS = 12


def save_attention(
    record: SurfaceRecord,
    estimate: SurfaceEstimate,
    properties: Sequence[Property],
    directory: Path,
) -> Path:
    """Draw a structure once for each property, atoms coloured by attention; return the path.

    Parameters
    ----------
    record
        The slab, or the crystal.
    estimate
        Its prediction, with attention.
    properties
        What is shown, e.g. IP and EA.
    directory
        Made where it does not exist.
    """
    shown = {one.name: one for one in properties if one.name in estimate.attention}
    figure = Figure(figsize=(4.6 * len(shown) + 2.2, 6.4), layout="constrained")
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    # An atom with the mean weight has 1, so that slabs of any size share one scale.
    relative = {name: estimate.attention[name] * len(record.structure) for name in shown}
    largest = max(float(np.max(values)) for values in relative.values())
    for axis, (name, one) in zip(axes, shown.items(), strict=True):
        low, high = estimate.interval_90[name]
        bounds = f"   90 %: {low:.2f} to {high:.2f}" if np.isfinite(high) else ""
        _slab(axis, record, relative[name], largest)
        axis.set_title(f"{one.title}\n{_value(estimate, one)}{bounds}", fontsize=9)
    axes[0].set_ylabel("height (Å)", color=INK)
    figure.suptitle(
        record.name + ("" if estimate.in_domain else "   (outside of the domain)"),
        color=INK,
        fontsize=11,
    )
    _colour_bar(figure, list(axes), largest)
    return save(figure, directory / f"{file_stem(record.name).replace(' ', '-')}-attention.png")


def save_input_effects(
    record: SurfaceRecord,
    estimate: SurfaceEstimate,
    properties: Sequence[Property],
    effects: Mapping[str, Mapping[str, float]],
    directory: Path,
) -> Path:
    """Draw the inputs of the largest effects, once for each property; return the path.

    Parameters
    ----------
    record, estimate
        The slab, or the crystal, and its prediction.
    properties
        What is shown.
    effects
        Property to input to what the prediction would lose if this input had its training mean, in the
        property's unit.
    directory
        Made where it does not exist.
    """
    shown = {one.name: one for one in properties if one.name in effects}
    figure = Figure(figsize=(7.4 * len(shown), 4.6), layout="constrained")
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    for axis, (name, one) in zip(axes, shown.items(), strict=True):
        largest = sorted(effects[name].items(), key=lambda item: -abs(item[1]))[:SHOWN_INPUTS]
        inputs, sizes = zip(*reversed(largest), strict=True)
        axis.barh(inputs, sizes, color=BLUE, height=0.7)
        axis.axvline(0.0, color=FAINT, linewidth=1)
        unit = f" ({shown_unit(one.unit)})" if one.unit != "1" else ""
        axis.set_xlabel(f"effect of the input, against its mean in the training data{unit}")
        axis.set_title(f"{one.title}: {_value(estimate, one)}", fontsize=9)
        axis.tick_params(labelsize=8)
    figure.suptitle(
        record.name + ("" if estimate.in_domain else "   (outside of the domain)"),
        color=INK,
        fontsize=11,
    )
    return save(figure, directory / f"{file_stem(record.name).replace(' ', '-')}-inputs.png")


def _value(estimate: SurfaceEstimate, one: Property) -> str:
    """Return a prediction with its unit."""
    unit = f" {shown_unit(one.unit)}" if one.unit != "1" else ""
    return f"{estimate.values[one.name]:.2f}{unit}"


def _slab(axes: Axes, record: SurfaceRecord, weights: NDArray[np.float64], largest: float) -> None:
    """Draw the slab seen along its shorter in-plane vector."""
    x, z, period = _projected(record)
    numbers = np.array(record.structure.atomic_numbers)
    all_x, index = repeated(x, period)
    radii = 0.65 * covalent_radii[numbers[index]]
    # Small discs come in front of large ones, so that none is hidden.
    order = np.argsort(-radii, kind="stable")
    colours = colormaps["viridis"](weights[index] / largest)
    draw_discs(axes, all_x[order], z[index][order], radii[order], colours[order])
    for i in order:
        dark = weights[index[i]] < 0.6 * largest
        axes.text(
            all_x[i], z[index[i]], chemical_symbols[numbers[index[i]]], ha="center", va="center",
            fontsize=5, color="white" if dark else INK, clip_on=True,
        )  # fmt: skip
    side_axes(axes, z.min() - 2.0, z.max() + 2.0)


def _projected(record: SurfaceRecord) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return sideways position and height of the atoms, and the period; all angstrom."""
    structure = record.structure
    a, b, c = structure.lattice.matrix
    normal = np.cross(a, b)
    normal = normal / np.linalg.norm(normal)
    across, along = (a, b) if np.linalg.norm(a) >= np.linalg.norm(b) else (b, a)
    sideways = np.cross(normal, along / np.linalg.norm(along))
    period = abs(float(across @ sideways))
    if record.level is Level.CRYSTAL:
        # One cell, as it is.
        positions = (structure.frac_coords % 1.0) @ structure.lattice.matrix
        z = positions @ normal * np.sign(c @ normal)
        return positions @ sideways % period, z - z.mean(), period
    # Atoms on both sides of the cell's border are brought to one side of the vacuum.
    fractional = structure.frac_coords.copy()
    heights = np.sort(fractional[:, 2] % 1.0)
    gaps = np.diff(np.append(heights, heights[0] + 1.0))
    fractional[:, 2] = (fractional[:, 2] - heights[(int(np.argmax(gaps)) + 1) % len(gaps)]) % 1.0
    fractional[np.isclose(fractional[:, 2], 1.0, atol=1e-6), 2] = 0.0
    positions = fractional @ structure.lattice.matrix
    z = positions @ normal * np.sign(c @ normal)
    return positions @ sideways % period, z - z.mean(), period


def _colour_bar(figure: Any, axes: list[Any], largest: float) -> None:
    bar = figure.colorbar(
        ScalarMappable(Normalize(0.0, largest), "viridis"), ax=axes, shrink=0.7, pad=0.02
    )
    bar.set_label("attention of an atom / mean over atoms", fontsize=8)
