"""A retraining that is killed at each of its file-system events in turn; a script for a subprocess.

Each attempt runs in a fork that kills itself by SIGKILL at its n-th event below the registry. After each
kill the registry must load. The last attempt runs to its end. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from learning_data import toy_dataset

from surfalign.ml.ensemble.recipe import Recipe
from surfalign.ml.models.model_registry import Registry
from surfalign.ml.models.retraining import retrain

EVENTS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.listdir", "os.scandir"}
RECIPE = Recipe("mean", {})


def attempt(folder: Path, number: int) -> None:
    """Retrain; die at the given event."""
    seen = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event in EVENTS and any(str(folder) in str(a) for a in arguments if a is not None):
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    dataset = toy_dataset(20 + number % 20, noise=0.1)
    retrain(Registry(folder), "toy", dataset, RECIPE, scratch=folder / "scratch", force=True)
    os._exit(0)


def main(folder: Path) -> None:
    """Kill until an attempt survives."""
    registry = Registry(folder)
    retrain(registry, "toy", toy_dataset(15, noise=0.1), RECIPE, scratch=folder / "scratch")
    champions = []
    for number in range(1, 500):
        child = os.fork()
        if child == 0:
            attempt(folder, number)
        _, status = os.waitpid(child, 0)
        registry.load("toy")
        for version in registry.versions("toy"):
            registry.load("toy", version)
        champion = registry.champion("toy")
        champions.append(champion.version if champion else None)
        if os.WIFEXITED(status):
            break
    print(json.dumps({"kills": number - 1, "champions": champions, "status": status}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
