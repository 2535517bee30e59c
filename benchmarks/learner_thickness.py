"""How much a trained model's IP and EA depend on the thickness of the slab.

    python benchmarks/learner_thickness.py SLABS.json.gz

Trains with and without zones in the pooling (without: one zone over the whole slab) and predicts slabs of
10 to 50 A of crystals from the library. Printed is the change from the thickest slab.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np
from learner_accuracy import PROPERTIES

from surfalign.crystals.sources import load_crystal
from surfalign.ml.data.from_slab_files import freeze_slab_file
from surfalign.ml.ensemble.recipe import Recipe
from surfalign.physics.slabs.enumeration import enumerate_slabs

SURFACES = {"MgO": (1, 0, 0), "TiO2-rutile": (1, 1, 0), "ZnO": (1, 0, 0), "SrO": (1, 1, 0)}
THICKNESSES = (10.0, 14.0, 18.0, 22.0, 30.0, 50.0)
ZONES = {"zones": {}, "whole slab": {"surface_zone": 1e4, "bulk_zone": 1e4}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slabs", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    records = freeze_slab_file(arguments.slabs).records
    print("| pooling | surface | thickness (A) | change of IP (eV) | change of EA (eV) |")
    print("|---|---|---|---|---|")
    for title, zones in ZONES.items():
        with tempfile.TemporaryDirectory() as directory:
            recipe = Recipe("lsoap", {"network": zones})
            model = recipe.fit_one(records, directory=Path(directory))
        for name, miller_index in SURFACES.items():
            crystal = load_crystal(name).structure
            slabs = [
                enumerate_slabs(crystal, miller_index, slab_thickness=thickness)[0].slab
                for thickness in THICKNESSES
            ]
            predictions = model.predict(slabs)
            values = np.array([[p.values[n] for n in PROPERTIES] for p in predictions])
            for thickness, change in zip(THICKNESSES, values - values[-1], strict=True):
                cells = " | ".join(f"{c:+.3f}" for c in change)
                print(f"| {title} | {name} | {thickness:g} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
