"""Processes that share the training of one network: how many, and how each knows which it is; loads no torch."""

from __future__ import annotations

import os
import socket

RANK = "LOCAL_RANK"
"""Variable with the number of a process, by which Lightning knows that the processes are there already."""


def rank_variables(processes: int) -> list[dict[str, str]]:
    """Return what the environment of each process must hold, so that they find each other on this machine."""
    if processes == 1:
        return [{}]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [where | {RANK: str(rank)} for rank in range(processes)]


def own_rank() -> int:
    """Return the number of this process among those that share a training; 0 where it is alone."""
    return int(os.environ.get(RANK, "0"))
