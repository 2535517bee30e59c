"""What a step asks of a queue: engine-neutral, and no part of what the step computes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from jobflow import Job
from monty.json import MSONable
from pymatgen.core import Structure

Kind = Literal["cpu", "gpu"]


@dataclass(frozen=True)
class StepResources(MSONable):
    """What a step needs.

    Parameters
    ----------
    kind
        ``cpu`` for many cores, ``gpu`` for accelerators; launchers map the kinds to queues.
    cores
        CPU cores; with GPUs, one for each.
    gpus
        Accelerators; 0 for ``cpu``.
    memory
        Memory of the whole job, GB.
    wall_time
        Wall time to ask for, s; it includes a margin.
    core_hours
        Expected cost, core hours; hours of a GPU for ``gpu``.
    processor_memory
        Memory that each further core, or GPU, brings, GB.
    """

    kind: Kind
    cores: int
    gpus: int
    memory: float
    wall_time: float
    core_hours: float
    processor_memory: float = 0.0

    def plain(self) -> dict[str, Any]:
        """Return the values as plain JSON, for the metadata of a job."""
        return asdict(self)


@runtime_checkable
class DeclaresResources(Protocol):
    """A maker that knows what its job will need."""

    def resources(self, structure: Structure) -> StepResources:
        """Estimate the needs of a step for a cell."""
        ...


def declare(job: Job, structure: Structure) -> None:
    """Put what a job will need into its metadata (``resources``), where its maker can say so.

    Parameters
    ----------
    job
        The job; metadata are no part of its identity.
    structure
        The cell, or one of its size where the cell itself is still to be computed.
    """
    if isinstance(job.maker, DeclaresResources):
        job.metadata["resources"] = job.maker.resources(structure).plain()
