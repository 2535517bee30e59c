"""Runners that run nothing: one adds up what a step costs, the other writes its inputs too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from surfalign.workflows.engines.step_resources import Kind, StepResources
from surfalign.workflows.engines.vasp.cost import (
    IONIC_CYCLES,
    IONIC_STEPS,
    RESPONSE_CYCLES,
    SCF_CYCLES,
    Size,
    Work,
    cycle_work,
    estimate,
    exchange_work,
    size_of,
)
from surfalign.workflows.engines.vasp.inputs.sets import write_inputs
from surfalign.workflows.engines.vasp.running.runner import PlannedCalculation

#: Cycles of a self-consistent hybrid, each with one application of exact exchange.
_HYBRID_CYCLES = 12

T = TypeVar("T")


@dataclass
class Estimator:
    """Adds up the cost of a step's calculations.

    Parameters
    ----------
    kind
        Processors of the step.
    calculations
        What would run, in order.
    """

    kind: Kind = "cpu"
    calculations: list[PlannedCalculation] = field(default_factory=list)

    def run(self, calculation: PlannedCalculation) -> Path:
        """Take note of a calculation."""
        self.calculations.append(calculation)
        return Path(calculation.name)

    def look(self, reader: Callable[[], T], placeholder: T) -> T:
        """Return the placeholder: nothing has run."""
        return placeholder

    def again(self, name: str, reason: str) -> None:
        """Nothing has failed."""

    def once(self, name: str, finder: Callable[[], dict[str, Any]]) -> None:
        """Find nothing: nothing runs."""

    def total(self) -> StepResources:
        """Return what the whole step needs."""
        sizes = [_size(calculation) for calculation in self.calculations]
        work = Work()
        for calculation, size in zip(self.calculations, sizes, strict=True):
            work += _work(calculation, size)
        largest = max(sizes, key=lambda size: size.n_k_points * size.n_bands * size.n_plane_waves)
        return estimate(largest, work, self.kind, len(self.calculations))


@dataclass
class InputWriter(Estimator):
    """Writes the inputs of a step's calculations, potentials by name only.

    Parameters
    ----------
    root
        Folder of the step.
    """

    root: Path = field(default_factory=Path)

    def run(self, calculation: PlannedCalculation) -> Path:
        """Write the inputs of a calculation."""
        super().run(calculation)
        folder = self.root / calculation.name
        write_inputs(calculation.inputs, folder, potcar_spec=True)
        return folder


def _size(calculation: PlannedCalculation) -> Size:
    inputs = calculation.inputs
    return size_of(
        inputs.cell,
        float(inputs.tags["ENCUT"].value),
        inputs.kpoint_list,
        spinors="LSORBIT" in inputs.tags,
    )


def _work(calculation: PlannedCalculation, size: Size) -> Work:
    cycle = cycle_work(size)
    if calculation.task in ("relaxation", "slab_relaxation"):
        return cycle * (SCF_CYCLES + IONIC_STEPS * IONIC_CYCLES)
    if calculation.task == "dfpt":
        # three directions of the field, each of which leaves about half of the symmetry
        return cycle * (SCF_CYCLES + 3 * 2 * RESPONSE_CYCLES)
    if calculation.task in ("one_shot", "hybrid"):
        mesh_points = int(sum(calculation.inputs.kpoint_list.kpts_weights or []))
        exchange = exchange_work(size, mesh_points)
        return cycle + exchange * (1 if calculation.task == "one_shot" else _HYBRID_CYCLES)
    return cycle * SCF_CYCLES
