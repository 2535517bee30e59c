"""Surface energies against the bonds that the cut breaks: the cheapest estimate there is."""

import json
from pathlib import Path

import matplotlib.pyplot as plt

from surfalign.crystals.sources import load_crystal
from surfalign.physics.slabs.coordination import surface_coordination
from surfalign.physics.slabs.enumeration import enumerate_slabs

plt.style.use(Path(__file__).with_name("gallery.mplstyle"))
records = json.loads(Path(__file__).with_name("levels.json").read_text())
figure, axes = plt.subplots(figsize=(6.2, 4.4))
for record in records:
    crystal = load_crystal(record["source"].removeprefix("library:"))
    slabs = enumerate_slabs(
        crystal.structure, record["miller_index"], slab_thickness=12.0, vacuum_thickness=15.0
    )
    (slab,) = [slab for slab in slabs if slab.name == record["surface_name"]]
    bonds = 100 * surface_coordination(slab).broken_bonds_per_area
    axes.plot(bonds, record["surface_energy"], "o", color="#1f4e8c", markersize=7)
    shift, side = (-8, "right") if bonds < 16 else (8, "left")
    name, place = slab.name.partition("/")[0], (bonds, record["surface_energy"])
    axes.annotate(name, place, (shift, -3), textcoords="offset points", fontsize=8, ha=side)
axes.set_xlabel("broken bonds per area (nm$^{-2}$)")
axes.set_ylabel("surface energy (J m$^{-2}$)")
axes.set_title("Ten surfaces, computed by GPAW with the preset quick")
axes.set(xlim=(0, 41), ylim=(0, None))
figure.savefig("surface_energies.png")
