"""A launcher that only remembers."""

from __future__ import annotations

from surfalign.launchers.cluster.profiles import Profile
from surfalign_toy_plugin.memory_launcher import MemoryLauncher


def open_launcher(profile: Profile, cluster: str | None = None) -> MemoryLauncher:
    return MemoryLauncher()
