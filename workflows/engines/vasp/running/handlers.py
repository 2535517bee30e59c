"""Which error recovery each kind of calculation gets: custodian's handlers, and our own.

The default list of atomate2 is made for bulk relaxations; see :mod:`.recoveries` for what differs.
"""

from __future__ import annotations

from typing import Literal

from custodian.custodian import ErrorHandler, Validator
from custodian.vasp.handlers import (
    LargeSigmaHandler,
    LrfCommutatorHandler,
    MeshSymmetryErrorHandler,
    NonConvergingErrorHandler,
    PositiveEnergyErrorHandler,
    PotimErrorHandler,
)
from custodian.vasp.validators import VaspFilesValidator, VasprunXMLValidator

from surfalign.workflows.engines.vasp.running.printed_faults import (
    GeneralErrorHandler,
    ListedErrorHandler,
    OneShotErrorHandler,
    WaveFunctionsReadValidator,
)
from surfalign.workflows.engines.vasp.running.recoveries import (
    CheckpointHandler,
    HungHandler,
    InterruptedHandler,
    OutOfMemoryHandler,
    PatientUnconvergedHandler,
    QuietStdErrHandler,
    SlabUnconvergedHandler,
)

#: What kind of calculation is run: it decides which recoveries make sense.
Task = Literal[
    "relaxation", "slab_relaxation", "static", "listed", "slab_static", "one_shot", "hybrid", "dfpt"
]

#: Tasks whose k-points are a list of irreducible ones.
LISTED = ("listed", "one_shot", "hybrid")


def handlers_for(
    task: Task, *, deadline: float | None, frozen_after: float, checkpoint_before: float = 600.0
) -> list[ErrorHandler]:
    """Return the handlers of a calculation, in custodian's order of priority.

    Parameters
    ----------
    task
        Kind of calculation.
    deadline
        When the queue ends the job (seconds since the epoch); None where it does not.
    frozen_after
        Silence after which a run counts as hung, s.
    checkpoint_before
        How long before the deadline the run is asked to stop, s.
    """
    handlers: list[ErrorHandler] = []
    if deadline is not None:
        handlers.append(CheckpointHandler(deadline, checkpoint_before, electronic=task == "hybrid"))
    handlers += [OutOfMemoryHandler(), InterruptedHandler(), HungHandler(frozen_after)]
    if task == "one_shot":
        # its single iteration is no failure to converge, and its wave functions must not be deleted
        return [*handlers, OneShotErrorHandler()]
    if task in LISTED:
        handlers.append(ListedErrorHandler())
    else:
        handlers += [GeneralErrorHandler(), MeshSymmetryErrorHandler(), QuietStdErrHandler()]
    handlers += [
        SlabUnconvergedHandler() if task.startswith("slab") else PatientUnconvergedHandler(),
        NonConvergingErrorHandler(),
        PotimErrorHandler(),
        PositiveEnergyErrorHandler(),
        LargeSigmaHandler(),
    ]
    if task == "dfpt":
        handlers.append(LrfCommutatorHandler())
    return handlers


def validators_for(task: Task) -> list[Validator]:
    """Return what must hold of a calculation that ended without an error."""
    validators: list[Validator] = [VasprunXMLValidator(), VaspFilesValidator()]
    if task in ("one_shot", "hybrid"):
        validators.append(WaveFunctionsReadValidator())
    return validators
