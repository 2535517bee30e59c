"""All surfaces of the perovskite SrTiO3 with indices up to one: what each cut costs in bonds."""

from pathlib import Path

import matplotlib.pyplot as plt

from surfalign.crystals.sources import load_crystal
from surfalign.physics.lattice.orientations import nonpolar_orientations
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.slabs.coordination import surface_coordination
from surfalign.physics.slabs.enumeration import survey_orientation

plt.style.use(Path(__file__).with_name("gallery.mplstyle"))
crystal = symmetrize(load_crystal("SrTiO3").structure)
slabs = [
    slab
    for orientation in nonpolar_orientations(crystal, 1)
    for slab in survey_orientation(crystal, orientation.miller_index, slab_thickness=12.0).slabs
]
cost = {slab: surface_coordination(slab).broken_bonds_per_area for slab in slabs}
slabs.sort(key=cost.__getitem__, reverse=True)

figure, axes = plt.subplots(figsize=(7.2, 0.34 * len(slabs) + 1.6))
colours = {(1, 0, 0): "#1f4e8c", (1, 1, 0): "#c8553d", (1, 1, 1): "#2a8f6d"}
bars = axes.barh(
    [slab.name.removeprefix("SrTiO3") for slab in slabs],
    [100 * cost[slab] for slab in slabs],
    color=[colours[slab.miller_index] for slab in slabs],
    height=0.65,
)
axes.bar_label(bars, [f"{slab.n_atoms} atoms" for slab in slabs], padding=4, fontsize=8)
axes.set_xlabel("broken bonds per area (nm$^{-2}$)")
axes.set_title("Nonpolar surfaces of SrTiO$_3$: orientation, class, outermost planes, pattern")
axes.margins(x=0.12, y=0.02)
figure.savefig("terminations.png")
