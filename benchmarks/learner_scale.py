"""Measure memory and time of the learner on many large slabs.

    python benchmarks/learner_scale.py SLABS.json.gz [--slabs 30000] [--different 3000] [--work DIR]

Slabs of about 60 atoms, none of them alike, are lateral supercells of given slabs with atoms moved at random; each
step runs in a process of its own, on one core, and its largest memory is that which the system states (resident,
mapped files included):

write      make the slabs and write them as a frozen data set, and as a list for predictions
train      read the data set, expand the slabs and train one member of a network for some epochs
predict    predict the list with the network, as an ensemble of five does

With --different, each slab stands for several records of other names: coefficients of equal slabs are stored and
computed once, so that this saves time and disk, while a process holds and streams as many records as otherwise.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from pymatgen.core import Structure

from surfalign.ml.configuration import LearnerConfiguration
from surfalign.ml.data.datasets import FrozenDataset, freeze, read_dataset, write_dataset
from surfalign.ml.data.from_slab_files import JARVIS, freeze_slab_file, read_slab_file
from surfalign.ml.data.packed_structures import StructuresOf
from surfalign.ml.data.records import SurfaceRecord, surface_record
from surfalign.ml.descriptors.density_cache import default_cache
from surfalign.ml.ensemble.domain import Domain
from surfalign.ml.ensemble.ensemble import Ensemble
from surfalign.ml.network.learner import NetworkModel
from surfalign.ml.network.training import train_model
from surfalign.ml.network.weights import read_parts, write_parts

N_ATOMS, TOLERANCE, MOVED = 60, 10, 0.05
DATA, LIST, WEIGHTS = "scale.dataset.json.gz", "scale.json.gz", "weights.safetensors"


def large_slabs(dataset: FrozenDataset, n_slabs: int) -> Iterator[SurfaceRecord]:
    """Yield slabs of about 60 atoms with the labels of those that they are made of."""
    suited = []
    for record in dataset.records:
        times = round(N_ATOMS / len(record.structure))
        if times and abs(times * len(record.structure) - N_ATOMS) <= TOLERANCE:
            suited.append((record, times))
    for number in range(n_slabs):
        record, times = suited[number % len(suited)]
        slab: Structure = record.structure.copy()
        slab.make_supercell([times, 1, 1])
        slab.perturb(MOVED, seed=number)
        made = surface_record(f"{number:06d}", slab, record.source, labels=record.labels)
        yield replace(made, formula=record.formula)


def write(arguments: argparse.Namespace) -> None:
    slabs = list(large_slabs(freeze_slab_file(arguments.slabs), arguments.different))
    records = [replace(slabs[k % len(slabs)], name=f"{k:06d}") for k in range(arguments.number)]
    print(f"{len(records)} records, {np.mean([len(r.structure) for r in slabs]):.1f} atoms each")
    write_dataset(freeze("scale", records, fidelities=[JARVIS]), arguments.work / DATA)
    with gzip.open(arguments.work / LIST, "wt", compresslevel=1) as file:
        file.write("[")
        for k, record in enumerate(records):
            entry = {"name": record.name, "initial": record.structure.as_dict()}
            file.write(("," if k else "") + json.dumps(entry))
        file.write("]")


def train(arguments: argparse.Namespace) -> None:
    dataset = read_dataset(arguments.work / DATA)
    say("data set read")
    configuration = LearnerConfiguration()
    cache = default_cache()
    stored = cache.prepare(StructuresOf(dataset.records), configuration.descriptor, workers=1)
    say(f"{len(stored)} slabs expanded")
    options = configuration.training.model_copy(update={"epochs": arguments.epochs})
    model = train_model(
        dataset.records,
        [],
        configuration.model_copy(update={"training": options}),
        directory=arguments.work / "run",
        cache=cache,
        progress=say,
    )
    own = NetworkModel(model)
    parts = {"configuration": own.configuration.model_dump(mode="json"), "metadata": own.metadata}
    write_parts(arguments.work / WEIGHTS, parts, own.tensors())


def predict(arguments: argparse.Namespace) -> None:
    parts, tensors = read_parts(arguments.work / WEIGHTS)
    configuration = LearnerConfiguration.model_validate(parts["configuration"])
    model = NetworkModel.restore(configuration, parts["metadata"], tensors)
    records = read_slab_file(arguments.work / LIST)
    say(f"{len(records)} slabs read")
    # The distance to a training set is no matter here.
    domain = Domain(np.zeros((1, 17), dtype=np.float32), model.elements)
    ensemble = Ensemble("lsoap", (model,) * 5, frozenset(), parts["metadata"]["fidelity"], domain)
    estimates = ensemble.predict(StructuresOf(records))
    say(f"{len(estimates)} slabs predicted")


def say(line: str) -> None:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"  {line}: {time.process_time():.0f} s CPU, at most {memory:.2f} GB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slabs", type=Path)
    parser.add_argument("--slabs", dest="number", type=int, default=30_000)
    parser.add_argument("--different", type=int, default=30_000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("scale"))
    parser.add_argument("--step", choices=["write", "train", "predict"])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.step:
        say("packages loaded")
        {"write": write, "train": train, "predict": predict}[arguments.step](arguments)
        say("end")
        return
    arguments.work.mkdir(parents=True, exist_ok=True)
    own = {"SURFALIGN_DATA_DIRECTORY": str(arguments.work.resolve() / "data")}
    threads = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    for step in ("write", "train", "predict"):
        print(step, flush=True)
        command = [sys.executable, *sys.argv, "--step", step]
        subprocess.run(command, check=True, env=os.environ | own | threads)


if __name__ == "__main__":
    main()
