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
import torch
from learner_accuracy import PROPERTIES, prepared

from surfalign.crystals.sources import load_crystal
from surfalign.ml.configuration import LearnerConfiguration
from surfalign.ml.descriptors.density_cache import DensityCache
from surfalign.ml.network.training import train_model
from surfalign.physics.slabs.enumeration import enumerate_slabs

SURFACES = {"MgO": (1, 0, 0), "TiO2-rutile": (1, 1, 0), "ZnO": (1, 0, 0), "SrO": (1, 1, 0)}
THICKNESSES = (10.0, 14.0, 18.0, 22.0, 30.0, 50.0)
ZONES = {"zones": {}, "whole slab": {"surface_zone": 1e4, "bulk_zone": 1e4}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slabs", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("densities"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    records = prepared(arguments.slabs, 0.3)
    print("| pooling | surface | thickness (A) | change of IP (eV) | change of EA (eV) |")
    print("|---|---|---|---|---|")
    for title, zones in ZONES.items():
        configuration = LearnerConfiguration.model_validate(
            {
                "network": zones,
                "targets": {"properties": PROPERTIES},
                "training": {"epochs": 30},
            }
        )
        with tempfile.TemporaryDirectory() as directory:
            model = train_model(
                records,
                [],
                configuration,
                directory=Path(directory),
                cache=DensityCache(arguments.cache),
            )
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
