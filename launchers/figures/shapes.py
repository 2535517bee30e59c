"""Pictures of equilibrium shapes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection
from numpy.typing import NDArray

from surfalign.launchers.figures.style import INK, STYLE, save
from surfalign.physics.lattice.orientations import MillerIndex
from surfalign.stores.documents import ResultState
from surfalign.stores.shapes.shape import CrystalShape

#: One for each orientation that shows; they repeat after these.
COLOURS = ("#4c86c6", "#e0a33e", "#5aa878", "#c8674f", "#8d75b5", "#7f8c99", "#b9a44c", "#5fb0b7")
#: Where the light comes from, and from where one looks (degrees).
_LIGHT = np.array([0.45, -0.75, 0.6]) / np.linalg.norm([0.45, -0.75, 0.6])
_ELEVATION, _AZIMUTH = 22.0, -62.0


def save_shape(made: CrystalShape, directory: Path) -> Path:
    """Draw the shape into a folder; return the file."""
    crystal = made.selection.crystal
    with mpl.rc_context(STYLE):
        name = f"{crystal.formula}-{crystal.space_group_number}-shape.png"
        return save(shape_figure(made), directory / name, dpi=180)


def shape_figure(made: CrystalShape) -> Figure:
    """Draw the shape with c upwards, one colour an orientation, and the shares beside it."""
    shares = {i: share for i, share in made.shape.area_fractions.items() if share > 0}
    ordered = sorted(shares, key=lambda index: -shares[index])
    colours = {index: COLOURS[i % len(COLOURS)] for i, index in enumerate(ordered)}
    figure = Figure(figsize=(6.4, 4.2))
    axes: Any = figure.add_axes((0.0, 0.0, 0.66, 0.92), projection="3d")  # its class has no types
    axes.computed_zorder = False
    faces = [
        face for face in made.shape.faces if face.normal @ _view() > 1e-6
    ]  # the body is convex
    axes.add_collection3d(
        Poly3DCollection(
            [face.vertices for face in faces],
            facecolors=[_shaded(colours[face.miller_index], face.normal) for face in faces],
            zorder=1,
        )
    )
    outlines = [np.vstack([face.vertices, face.vertices[:1]]) for face in faces]
    axes.add_collection3d(Line3DCollection(outlines, colors=INK, linewidths=1.2, zorder=2))
    reach = max(float(np.linalg.norm(face.vertices, axis=1).max()) for face in faces)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), zlim=(-reach, reach))
    axes.set_box_aspect((1, 1, 1), zoom=1.35)
    axes.set_proj_type("ortho")
    axes.view_init(_ELEVATION, _AZIMUTH)
    axes.set_axis_off()
    patches = [
        Patch(
            facecolor=colours[i],
            edgecolor=INK,
            lw=0.6,
            label=f"{_index(i)}  {100 * shares[i]:.0f} %",
        )
        for i in ordered
    ]
    figure.legend(
        handles=patches, loc="upper left", bbox_to_anchor=(0.66, 0.82), frameon=False, fontsize=11
    )
    figure.text(0.67, 0.12, _facts(made), fontsize=8.5, va="bottom", linespacing=1.5)
    formula = re.sub(r"(\d+)", r"$_{\1}$", made.selection.crystal.formula)
    symbol = re.sub(r"_(\d)", r"$_\1$", made.selection.crystal.space_group_symbol)
    figure.suptitle(
        f"{formula} ({symbol}), equilibrium shape",
        x=0.04, y=0.98, ha="left", fontsize=12,
    )  # fmt: skip
    return figure


def _view() -> NDArray[np.float64]:
    """Return the direction to the eye."""
    up, around = np.radians([_ELEVATION, _AZIMUTH])
    return np.array([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)])


def _facts(made: CrystalShape) -> str:
    lines = []
    for name, average in (("IP", made.ionization_potential), ("EA", made.electron_affinity)):
        if average is not None:
            lines.append(f"{name} {average.mean:.2f} ± {average.spread:.2f} eV over the area")
    absent = [m for m in made.missing if m.orientation.nonpolar]
    polar = [m for m in made.missing if not m.orientation.nonpolar]
    if absent:
        lines.append("not computed: " + _listed([m.orientation.miller_index for m in absent]))
    if polar:
        lines.append("polar: " + _listed([m.orientation.miller_index for m in polar]))
    methods = made.selection.methods
    lines.append(methods[0] if len(methods) == 1 else f"{len(methods)} methods, mixed")
    if any(t.document.state is ResultState.FLAGGED for t in made.terminations if t.area_fraction):
        lines.append("of results with failed checks")
    return "\n".join(lines)


def _listed(indices: list[MillerIndex]) -> str:
    more = f" and {len(indices) - 4} more" if len(indices) > 4 else ""
    return ", ".join(map(_index, indices[:4])) + more


def _index(index: MillerIndex) -> str:
    return "(" + "".join(rf"$\overline{{{-i}}}$" if i < 0 else str(i) for i in index) + ")"


def _shaded(colour: str, normal: NDArray[np.float64]) -> tuple[float, float, float]:
    """Darken the faces that look away from the light."""
    light = 0.62 + 0.38 * float(normal @ _LIGHT)
    red, green, blue = np.clip(np.array(to_rgb(colour)) * (0.45 + 0.62 * light), 0, 1)
    return float(red), float(green), float(blue)
