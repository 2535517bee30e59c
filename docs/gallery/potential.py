"""The potential of MgO(100) along its normal, and the levels that were read from it."""

import json
from pathlib import Path

import matplotlib.pyplot as plt

from surfalign.launchers.figures.levels import potential_figure
from surfalign.stores.documents import SurfaceLevelsDocument

plt.style.use(Path(__file__).with_name("gallery.mplstyle"))
records = json.loads(Path(__file__).with_name("levels.json").read_text())
result = SurfaceLevelsDocument.model_validate(records[0])  # with its curves and its slab
for check in result.checks[:4]:
    print(f"{check.name}: {check.value:.3g} {check.unit}, at most {check.tolerance:.3g}")
potential_figure(result).savefig("potential.png", dpi=150, bbox_inches="tight")
