"""Two processes that share the steps of a network train what one process trains."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from learning_data import toy_dataset
from model_contract import small_configuration

from surfalign.ml.ensemble.members import Task, fit_in_processes

BATCH = 4


def losses(folder: Path) -> list[float]:
    (log,) = folder.glob("*/member-0/log/*/metrics.csv")
    with log.open() as file:
        return [float(row["training_loss"]) for row in csv.DictReader(file) if row["training_loss"]]


@pytest.mark.processes
@pytest.mark.programs
def test_two_processes_have_the_losses_of_one(tmp_path: Path) -> None:
    dataset = toy_dataset(10)
    found, models = [], []
    for processes in (1, 2):
        # Nothing is dropped at random, and the last step of an epoch has one item, so that one process has none.
        chosen = small_configuration(processes=processes, epochs=3, batch_size=BATCH)
        folder = tmp_path / str(processes)
        said: list[str] = []
        models += fit_in_processes(dataset, [Task("lsoap", chosen, 0, 5)], folder, 1, said.append)
        assert sum("epoch" in line for line in said) == 3
        found.append(losses(folder))
    n_train = models[0].metadata["n_train"]
    assert n_train % BATCH == 1
    assert len(found[0]) == 3
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4)
    for name, tensor in models[0].tensors().items():
        np.testing.assert_allclose(models[1].tensors()[name], tensor, rtol=1e-3, atol=1e-4)
