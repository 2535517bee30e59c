"""Write the checkpoint of the present format; run once for each released format.

python tests/ml/checkpoints/make.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from surfalign.ml.configuration import LearnerConfiguration
from surfalign.ml.descriptors.environments import atomic_environments
from surfalign.ml.network.batches import collate
from surfalign.ml.network.model import FORMAT_VERSION, TrainedModel
from surfalign.ml.network.network import SlabNetwork

sys.path.insert(0, str(Path(__file__).parents[2] / "doubles"))
from model_contract import rough_slab, small_configuration


def main() -> None:
    plain = small_configuration().model_dump()
    plain["targets"]["levels"] = "gap-head"
    configuration = LearnerConfiguration.model_validate(plain)
    properties = configuration.targets.properties
    torch.manual_seed(0)
    network = SlabNetwork(configuration, properties, 2)
    batch = collate([atomic_environments(rough_slab(), configuration.descriptor)])
    network.soap.standardise([(batch.coefficients, batch.species, batch.multiplicities)])
    network.mean.copy_(torch.tensor([7.0, 3.0]))
    metadata = {
        "format": FORMAT_VERSION,
        "properties": list(properties),
        "units": ["eV", "eV"],
        "fidelities": ["dft", "cheap"],
        "fidelity": "dft",
        "elements": ["Mg", "O", "Sr", "Ti"],
    }
    model = TrainedModel(configuration, metadata, network)
    (prediction,) = model.predict([rough_slab()])
    folder = Path(__file__).parent / f"format-{FORMAT_VERSION}"
    folder.mkdir(exist_ok=True)
    save_file(model.tensors(), folder / "weights.safetensors")
    card = {
        "configuration": configuration.model_dump(mode="json"),
        "metadata": metadata,
        "values_of_rough_slab": prediction.values,
    }
    (folder / "card.json").write_text(json.dumps(card, indent=1) + "\n")


if __name__ == "__main__":
    main()
