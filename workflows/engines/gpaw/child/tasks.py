"""What the engine's process can be asked for (child side). Arguments and results are plain JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
from ase import Atoms
from gpaw.new.symmetry import SymmetryBrokenError

from surfalign.errors import ConvergenceError, EngineError
from surfalign.physics.checks import Check, within
from surfalign.workflows.engines.gpaw.child import ground_state
from surfalign.workflows.engines.gpaw.child.ground_state import (
    GENTLE_MIXER,
    SMALLEST_GAP,
    Report,
    SelfConsistency,
)
from surfalign.workflows.engines.gpaw.machine import estimate_memory, require_memory


class Tasks:
    """Runs tasks, keeping the last ground state for the next step of a relaxation.

    Parameters
    ----------
    report
        Shows progress.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        self.calculator: Any = None
        self.warnings: list[str] = []
        self._scf = SelfConsistency()
        self._key: tuple[Any, ...] = ()
        self._precise = True

    def run(self, task: str, **arguments: Any) -> dict[str, Any]:
        """Run the task of a name."""
        known: dict[str, Callable[..., dict[str, Any]]] = {
            "about": self.about,
            "plan": self.plan,
            "evaluate": self.evaluate,
            "potential": self.potential,
            "dielectric": self.dielectric,
            "band_edges": self.band_edges,
        }
        if task not in known:
            raise EngineError(f"there is no task '{task}'", f"one of {', '.join(known)}")
        return known[task](**arguments)

    def about(self, elements: list[str], **_: Any) -> dict[str, Any]:
        """Return versions, and the dataset of each element with its hash."""
        import ase
        import gpaw
        from gpaw import cgpaw

        atoms = Atoms(elements)
        found = ground_state.load_datasets(atoms)
        return {
            "engine_version": gpaw.__version__,
            "code_versions": {
                "ase": ase.__version__,
                "numpy": np.__version__,
                "scipy": version("scipy"),
                "libxc": str(getattr(cgpaw, "libxc_version", "none")),
            },
            "datasets": {e: f"{d.path.name} sha256:{d.sha256}" for e, d in found.items()},
        }

    def plan(
        self,
        step: str,
        atoms: dict[str, Any],
        settings: dict[str, Any],
        kpts: dict[str, Any] | None = None,
        functional: str = "",
        dipole_correction: bool = False,
        **_: Any,
    ) -> dict[str, Any]:
        """Return what decides how many processes a task is worth, without computing anything.

        Parameters
        ----------
        step
            The task.
        atoms, settings, kpts, functional, dipole_correction
            Its arguments.
        """
        from surfalign.workflows.engines.gpaw.child.band_edges import meshes
        from surfalign.workflows.engines.gpaw.child.dielectric import response_mesh

        cell = Atoms(**atoms, pbc=(True, True, not dipole_correction))
        if step == "dielectric":
            needed = [response_mesh(cell.cell.array, settings["dielectric_k_spacing"])]
        elif step == "band_edges":
            needed = meshes(cell.cell.array, functional, settings)
        else:
            needed = [kpts] if kpts is not None else []
        return {
            "n_k_points": [ground_state.count_k_points(cell, mesh) for mesh in needed],
            "can_divide_points": ground_state.can_divide_points(),
        }

    def evaluate(
        self,
        atoms: dict[str, Any],
        settings: dict[str, Any],
        kpts: dict[str, Any],
        memory_limit: float,
        forces: bool = True,
        require_gap: bool = False,
        dipole_correction: bool = False,
        precise: bool = True,
    ) -> dict[str, Any]:
        """Compute energy, forces and gap; wave functions of the last cell are reused.

        Parameters
        ----------
        atoms
            ``numbers``, ``positions`` (angstrom) and ``cell`` (angstrom).
        settings, kpts
            As in :func:`.ground_state.make_calculator`.
        memory_limit
            GB.
        forces
            Whether forces are wanted.
        require_gap
            Whether a closed gap is an error.
        dipole_correction
            Whether the two faces may have different vacuum levels.
        precise
            Whether the electrons are converged to the settings; else loosely, for a step on the way.
        """
        cell = Atoms(**atoms, pbc=(True, True, not dipole_correction))
        self._converge(cell, settings, kpts, memory_limit, dipole_correction, precise)
        valence, conduction = ground_state.band_edges_on_mesh(self.calculator, cell)
        gap = conduction - valence
        if require_gap:
            ground_state.require_insulator(gap, cell)
        result: dict[str, Any] = {
            "energy": float(self.calculator.get_potential_energy(cell)),
            "band_gap": gap,
            "valence_band_maximum": valence,
            "warnings": self.warnings,
            "n_k_points": len(self.calculator.get_ibz_k_points()),
            "n_iterations": self._scf.n_iterations,
            "precise": self._precise,
            "checks": [asdict(check) for check in self._checks(settings, gap)],
        }
        if forces:
            result["forces"] = self.calculator.get_forces(cell).tolist()
        return result

    def potential(self, **arguments: Any) -> dict[str, Any]:
        """Compute the ground state and its electrostatic potential (of an electron, eV).

        Parameters
        ----------
        arguments
            Those of :meth:`evaluate`.
        """
        result = self.evaluate(**arguments)
        self.report("averaging the potential")
        potential = np.asarray(self.calculator.get_electrostatic_potential())
        cell = self.calculator.atoms.cell
        height = cell.volume / float(np.linalg.norm(np.cross(cell[0], cell[1])))
        average = potential.mean(axis=(0, 1))
        return result | {
            "positions": (np.arange(len(average)) * height / len(average)).tolist(),
            "planar_average": average.tolist(),
            "site_potentials": self.site_potentials().tolist(),
        }

    def site_potentials(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the potential averaged over the compensation charge of each atom, eV."""
        potentials = self.calculator.dft.electrostatic_potential().atomic_potentials()
        return np.asarray(potentials, dtype=float)

    def dielectric(
        self, atoms: dict[str, Any], settings: dict[str, Any], **_: Any
    ) -> dict[str, Any]:
        """Compute the electronic dielectric tensor."""
        from surfalign.workflows.engines.gpaw.child.dielectric import dielectric_tensor

        return dielectric_tensor(Atoms(**atoms, pbc=True), settings, self.report)

    def band_edges(
        self,
        atoms: dict[str, Any],
        settings: dict[str, Any],
        functional: str,
        exchange_fraction: float | None,
        spin_orbit: bool = False,
        **_: Any,
    ) -> dict[str, Any]:
        """Compute the band edges of a bulk crystal."""
        from surfalign.workflows.engines.gpaw.child.band_edges import band_edges

        return band_edges(
            Atoms(**atoms, pbc=True),
            functional,
            exchange_fraction,
            settings,
            self.report,
            spin_orbit=spin_orbit,
        )

    def _converge(
        self,
        cell: Atoms,
        settings: dict[str, Any],
        kpts: dict[str, Any],
        memory_limit: float,
        dipole_correction: bool,
        precise: bool,
    ) -> None:
        key = (cell.numbers.tobytes(), cell.cell.tobytes(), repr(settings), repr(kpts))
        options: dict[str, Any] = {"kpts": kpts, "txt": "gpaw.txt"}
        if dipole_correction:
            options["poissonsolver"] = {"dipolelayer": True}
        if key != self._key:
            self.calculator = ground_state.make_calculator(
                cell, settings, **options, convergence=ground_state.criteria(settings, precise)
            )
            self._key = key
            self._check_memory(cell, settings, kpts, memory_limit)
        elif precise and not self._precise:
            self.calculator.dft.change(convergence=ground_state.criteria(settings))
        self._precise = precise or ground_state.criteria(settings, False) == (
            ground_state.criteria(settings)
        )
        try:
            scf = ground_state.converge(self.calculator, cell, self.report)
        except SymmetryBrokenError:
            self._precise = True
            self.calculator = ground_state.make_calculator(cell, settings, **options)
            scf = ground_state.converge(self.calculator, cell, self.report)
            self.warnings.append("a step broke the symmetry; the next began from scratch")
        except ConvergenceError:
            self._precise = True
            self.report("no convergence; trying a gentler density mixer")
            self.calculator = ground_state.make_calculator(
                cell, settings, **options, mixer=GENTLE_MIXER
            )
            scf = ground_state.converge(self.calculator, cell, self.report)
            self.warnings.append("the density converged with a gentler mixer only")
        if scf.n_iterations:  # none where the cell had been converged already
            self._scf = scf

    def _check_memory(
        self, cell: Atoms, settings: dict[str, Any], kpts: dict[str, Any], limit: float
    ) -> None:
        from gpaw.mpi import world

        occupied = ground_state.count_occupied_bands(cell)
        estimate = estimate_memory(
            volume=cell.get_volume(),
            cutoff=settings["cutoff"],
            grid_spacing=settings["grid_spacing"],
            n_bands=ground_state.default_bands(occupied, settings),
            n_k_points=ground_state.count_k_points(cell, kpts),
            processes=world.size,
        )
        formula = cell.get_chemical_formula(mode="metal")
        require_memory(estimate, limit, f"the ground state of {formula}")

    def _checks(self, settings: dict[str, Any], gap: float) -> list[Check]:
        return [
            within(
                "scf_density_change",
                self._scf.density_change,
                settings["density_tolerance"],
                "1",
                "integrated change of the density in the last SCF iteration, per valence electron",
            ),
            Check(
                "semilocal_gap_open",
                gap,
                SMALLEST_GAP,
                "eV",
                gap >= SMALLEST_GAP,
                "gap of the PBEsol ground state on its mesh, which must exceed the tolerance",
            ),
        ]
