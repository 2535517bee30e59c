"""A loop that is killed at random events; a script for a subprocess.

Each attempt runs in a fork that kills itself by SIGKILL when it is about to send a command to the database,
drawn at random: all that a loop does to others goes through the database, the files between two commands
included. The last attempt runs to its end. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from pathlib import Path

from pymongo import monitoring

from surfalign.launchers.explore.configuration import read_configuration
from surfalign.launchers.explore.loop import run_loop
from surfalign.workflows.engines import engine


class Killer(monitoring.CommandListener):
    """Kills this process before or after its n-th command."""

    def __init__(self, number: int, after: bool) -> None:
        self.left, self.after = number, after

    def _count(self, now: bool) -> None:
        if now:
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self._count(not self.after)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        self._count(self.after)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


def attempt(config: Path, draw: random.Random | None) -> None:
    """Run the loop; die at a random command, or run to the end."""
    if draw is not None:
        monitoring.register(Killer(int(draw.expovariate(1 / 60.0)) + 8, draw.random() < 0.5))
    state = run_loop(read_configuration(config))
    os._exit(0 if state.condition.value == "finished" else 1)


def main(config: Path, kills: int, seed: int) -> None:
    """Kill so often, then let it end; it may end before."""
    engine.ENGINES["toy"] = "toy_engine:make_engine"
    draw, done = random.Random(seed), 0
    status = -1
    for number in range(kills + 1):
        child = os.fork()
        if child == 0:
            attempt(config, draw if number < kills else None)
        draw.random()  # the child's draws are its own
        draw.seed(seed + number + 1)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            break
        done += 1
    print(json.dumps({"kills": done, "status": status}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
