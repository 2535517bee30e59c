"""How the cores and the memory of this machine are divided among steps that run side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from surfalign.processes import available_cores, available_memory
from surfalign.settings import Settings

#: Parts of the memory add up to the whole within this, GB.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Share:
    """A part of the machine.

    Parameters
    ----------
    cores
        CPU cores.
    memory
        GB.
    """

    cores: int
    memory: float

    @classmethod
    def of_all(cls, settings: Settings) -> Self:
        """Return all that this process and its children may use."""
        return cls(available_cores(settings), available_memory(settings))


@dataclass(frozen=True)
class Need:
    """What a step needs of the machine.

    Parameters
    ----------
    least_cores, most_cores
        Cores without which it cannot start, and cores that it can use.
    memory
        Memory to set aside for it, GB.
    """

    least_cores: int
    most_cores: int
    memory: float


def need_of(resources: Mapping[str, Any] | None, machine: Share) -> Need:
    """Return what a step needs.

    An engine that declares what it asks of a queue is started by a command of its own, which knows
    nothing of shares: its steps get the whole machine. All others may use all cores, and an even part
    of the memory is set aside for them.

    Parameters
    ----------
    resources
        What the engine declared (:class:`~surfalign.workflows.engines.step_resources.StepResources`, plain).
    machine
        All there is.
    """
    if resources:
        return Need(machine.cores, machine.cores, machine.memory)
    return Need(1, machine.cores, machine.memory / machine.cores)


def more_memory(need: Need, machine: Share) -> Need | None:
    """Return the need of a step that ran out of its memory; None where it had all there is."""
    if need.memory >= machine.memory:
        return None
    return replace(need, memory=min(2 * need.memory, machine.memory))


def divide(machine: Share, running: Sequence[Share], waiting: Sequence[Need]) -> list[Share]:
    """Return the shares of the steps that start now: of ``waiting``, the first so many that fit.

    Many steps on few cores each do more than few steps on many, for what a step can divide among cores
    (k-points) is limited and steps are independent. So as many start as there are free cores and
    memory, and only what is left over goes to those that can use it, in turn. A step that needs more
    than is free waits, and those behind it too, so that it gets its turn.

    Parameters
    ----------
    machine
        All there is.
    running
        Shares in use.
    waiting
        Needs, the most urgent first.
    """
    if len(waiting) == 1 and not running:  # nothing else can start before it ends
        return [Share(min(waiting[0].most_cores, machine.cores), machine.memory)]
    cores = machine.cores - sum(share.cores for share in running)
    memory = machine.memory - sum(share.memory for share in running)
    started: list[Share] = []
    for need in waiting:
        if need.least_cores > cores or need.memory > memory + _ROUNDING:
            break
        started.append(Share(need.least_cores, need.memory))
        cores -= need.least_cores
        memory -= need.memory
    while cores > 0:
        hungry = [i for i, share in enumerate(started) if share.cores < waiting[i].most_cores]
        for i in hungry[:cores]:
            started[i] = replace(started[i], cores=started[i].cores + 1)
        cores -= min(cores, len(hungry)) or cores
    return started
