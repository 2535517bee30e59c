"""An ASE calculator over the engine's process: what relaxations and equations of state drive."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from surfalign.processes import available_cores
from surfalign.settings import load_settings
from surfalign.workflows.engines.gpaw import machine
from surfalign.workflows.engines.gpaw.datasets import require_supported
from surfalign.workflows.engines.gpaw.dispersion import d3_correction
from surfalign.workflows.engines.gpaw.engine_process import EngineProcess
from surfalign.workflows.engines.gpaw.meshes import Kind, Mesh, mesh
from surfalign.workflows.engines.gpaw.settings import GpawSettings

_progress = logging.getLogger("surfalign.progress")


class ParallelGPAW(Calculator):  # type: ignore[misc]  # ase ships no types
    """Energy and forces of GPAW, computed in processes of their own on all cores they can use.

    The processes start with the first request and keep their wave functions between steps; ``close``
    (or the end of a ``with`` block) ends them. The k mesh is that of the first cell and stays.

    Parameters
    ----------
    settings
        Numerical settings.
    kind
        What the cells are: the k mesh follows.
    label
        Begins each line of progress.
    require_gap
        Whether a closed gap is an error.
    """

    name = "gpaw"
    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces"]

    def __init__(
        self, settings: GpawSettings, kind: Kind, label: str = "", *, require_gap: bool = False
    ) -> None:
        super().__init__()
        self.settings = settings
        self.kind = kind
        self.label = label
        self.require_gap = require_gap
        self.engine: EngineProcess | None = None
        self.mesh: Mesh | None = None
        self.answers: list[dict[str, Any]] = []
        self.started_at = datetime.now(UTC)
        self._start = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def wall_time(self) -> float:
        """Seconds since this calculator was made."""
        return time.perf_counter() - self._start

    def close(self) -> None:
        """End the engine's processes."""
        if self.engine is not None:
            self.engine.close()

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Compute energy and forces of ``atoms``."""
        super().calculate(atoms, list(properties), list(system_changes))
        answer = self.evaluate(self.atoms)
        forces = np.asarray(answer["forces"])
        energy = answer["energy"]
        self.results = {"energy": energy, "free_energy": energy, "forces": forces}
        largest = float(np.linalg.norm(forces, axis=1).max())
        self.say(
            f"step {len(self.answers)}, energy {energy:.4f} eV, "
            f"largest force {largest:.3f} eV/angstrom"
        )

    def evaluate(self, atoms: Atoms, **arguments: Any) -> dict[str, Any]:
        """Return all that the engine knows of the ground state of ``atoms``."""
        answer = self.request("evaluate", atoms, require_gap=self.require_gap, **arguments)
        return self._kept(answer, atoms)

    def evaluate_slab(self, atoms: Atoms, **arguments: Any) -> dict[str, Any]:
        """Return the ground state of a slab with its forces and its electrostatic potential."""
        answer = self.request("potential", atoms, **arguments)
        return self._kept(answer, atoms)

    def _kept(self, answer: dict[str, Any], atoms: Atoms) -> dict[str, Any]:
        """Keep an answer, with dispersion in its energy and forces where the settings ask for it."""
        if self.settings.dispersion != "off":
            energy, forces = d3_correction(atoms)
            answer |= {"energy": answer["energy"] + energy, "dispersion_energy": energy}
            if "forces" in answer:
                answer["forces"] = (np.asarray(answer["forces"]) + forces).tolist()
        self.answers.append(answer)
        return answer

    def request(self, task: str, atoms: Atoms, **arguments: Any) -> dict[str, Any]:
        """Run a task of the engine on ``atoms``; ground states get the k mesh too."""
        if self.mesh is None:
            require_supported(atoms.get_chemical_symbols())
            self.mesh = mesh(atoms.cell.array, self.settings.k_spacing, self.kind)
        arguments |= {"atoms": plain_atoms(atoms), "settings": self.settings.numerical()}
        if task in ("evaluate", "potential"):
            arguments["kpts"] = self.mesh.gpaw()
        if self.engine is None:
            self.engine = self._started(task, arguments)
        return self.engine.call(task, **arguments)

    def say(self, text: str) -> None:
        """Emit a line of progress, also before the engine runs."""
        _progress.info("%s: %s", self.label, text)

    def _started(self, task: str, arguments: dict[str, Any]) -> EngineProcess:
        """Start as many processes as the first task is worth.

        One process is started first and asked: only GPAW knows the irreducible k-points that it finds,
        and what it was built with. It goes on with the task where no others are worth it.
        """
        settings = load_settings()
        cores = available_cores(settings)
        engine = EngineProcess(1, self.label, settings).__enter__()
        if cores == 1:
            return engine
        try:
            plan = engine.call("plan", step=task, **arguments)
        except BaseException:
            engine.close()
            raise
        n_atoms = len(arguments["atoms"]["numbers"])
        processes = machine.choose_processes(cores, n_atoms=n_atoms, **plan)
        if processes == 1:
            return engine
        engine.close()
        return EngineProcess(processes, self.label, settings).__enter__()


def plain_atoms(atoms: Atoms) -> dict[str, Any]:
    """Return atoms as plain JSON: what a task takes."""
    return {
        "numbers": atoms.numbers.tolist(),
        "positions": atoms.positions.tolist(),
        "cell": atoms.cell.array.tolist(),
    }
