"""Which of the exported results could split water: both redox levels inside the gap."""

import json
from pathlib import Path

import matplotlib.pyplot as plt

from surfalign.launchers.figures.levels import band_edge_diagram
from surfalign.physics.levels.redox import redox_levels
from surfalign.stores.documents import SurfaceLevelsDocument

plt.style.use(Path(__file__).with_name("gallery.mplstyle"))
records = json.loads(Path(__file__).with_name("levels.json").read_text())
results = [SurfaceLevelsDocument.model_validate(record) for record in records]
results = [result for result in results if not result.surface_name.endswith("-2")]
results.sort(key=lambda result: result.band_gap)
water = redox_levels(["H+/H2", "O2/H2O"], ph=0.0)
for result in results:
    reduces = -result.electron_affinity > water["H+/H2"]
    oxidizes = -result.ionization_potential < water["O2/H2O"]
    if reduces and oxidizes:
        print(f"{result.surface_name}: gap {result.band_gap:.2f} eV")
band_edge_diagram(results).savefig("band_edges.png", dpi=150, bbox_inches="tight")
