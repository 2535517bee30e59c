"""Which orientations of wurtzite ZnO can carry a nonpolar slab: a stereographic projection."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from surfalign.crystals.sources import load_crystal
from surfalign.physics.lattice.orientations import format_miller_index, unique_orientations
from surfalign.physics.lattice.symmetry import symmetrize

plt.style.use(Path(__file__).with_name("gallery.mplstyle"))
crystal = symmetrize(load_crystal("ZnO").structure)
reciprocal = crystal.conventional_structure().lattice.reciprocal_lattice.matrix

figure, axes = plt.subplots(figsize=(5.6, 5.8))
axes.add_patch(plt.Circle((0, 0), 1, fill=False, color="#9aa5b1"))
for angle in (30, 60):  # circles of equal tilt from the c axis
    radius = np.tan(np.radians(angle) / 2)
    axes.add_patch(plt.Circle((0, 0), radius, fill=False, color="#e3e7eb"))
    axes.text(-0.26 * radius, radius, f"{angle}°", color="#9aa5b1", fontsize=8, ha="right")
for nonpolar, colour, name in ((False, "#c8553d", "polar"), (True, "#1f4e8c", "nonpolar")):
    axes.scatter([], [], color=colour, label=name)
    for orientation in unique_orientations(crystal, 3):
        if orientation.nonpolar is not nonpolar:
            continue
        images = np.array(orientation.miller_index) @ crystal.conventional_point_operations
        normals = np.vstack([images, -images]) @ reciprocal
        normals /= np.linalg.norm(normals, axis=1)[:, None]
        x, y, z = normals[normals[:, 2] > -1e-6].T  # the upper hemisphere
        axes.scatter(x / (1 + z), y / (1 + z), s=900 / orientation.area, color=colour, lw=0)
        if orientation.miller_index in ((0, 0, 1), (1, 0, 0), (1, 1, 0)):
            place = max(zip(x / (1 + z), y / (1 + z), strict=True))
            text = format_miller_index(orientation.miller_index)
            axes.annotate(text, place, (6, 5), textcoords="offset points", fontsize=9)
axes.set(xlim=(-1.15, 1.3), ylim=(-1.1, 1.1), aspect="equal")
axes.set_title("ZnO: surface normals up to (333), seen along c; dense planes are large")
axes.set_axis_off()
axes.legend(loc="lower right")
figure.savefig("orientations.png")
