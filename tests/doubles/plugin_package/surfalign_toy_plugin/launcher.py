"""A launcher that only remembers, and its worker."""

from __future__ import annotations

from threading import Event

from surfalign.launchers.cluster.launcher import BetweenRounds
from surfalign.launchers.cluster.profiles import Profile
from surfalign_toy_plugin.memory_launcher import MemoryLauncher


def open_launcher(profile: Profile, cluster: str | None = None) -> MemoryLauncher:
    return MemoryLauncher()


def work(
    launcher: MemoryLauncher,
    between_rounds: BetweenRounds,
    *,
    once: bool = False,
    stop: Event | None = None,
) -> None:
    print("one round of", type(launcher).__name__)
