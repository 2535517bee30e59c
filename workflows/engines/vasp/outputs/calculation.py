"""One finished VASP calculation in a folder: what its files say, with errors that have names.

The files may be compressed, and may carry the suffixes that custodian and atomate leave
(``vasprun.xml.relax2.gz``): the last run of the folder is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure
from pymatgen.io.vasp.inputs import Incar

from surfalign.errors import ConvergenceError, EngineError, EngineKilledError, MetallicError
from surfalign.workflows.engines.vasp.outputs import bands
from surfalign.workflows.engines.vasp.outputs.files import find_file, named, text_of
from surfalign.workflows.engines.vasp.outputs.locpot import read_potential
from surfalign.workflows.engines.vasp.outputs.outcar import Outcar, read_outcar
from surfalign.workflows.engines.vasp.outputs.phrases import wave_functions_read
from surfalign.workflows.engines.vasp.outputs.vasprun import CompleteVasprun, read_vasprun

#: Energies of OUTCAR and vasprun.xml that differ by more are of two runs, eV.
_SAME_ENERGY = 1e-3


@dataclass(frozen=True)
class Calculation:
    """A folder in which VASP has run.

    Parameters
    ----------
    directory
        The folder.
    """

    directory: Path

    def file(self, name: str) -> Path:
        """Return the file of a name.

        Raises
        ------
        EngineKilledError
            When there is none.
        """
        path = find_file(self.directory, name)
        if path is None or path.stat().st_size == 0:
            what = "is missing" if path is None else "is empty"
            raise EngineKilledError(
                f"{name} {what} in {self.directory}",
                f"the {name} of a run that came to its end",
                "look at vasp.out and std_err.txt there, and run it again",
            )
        return path

    @cached_property
    def vasprun(self) -> CompleteVasprun:
        """The parsed vasprun.xml, without densities of states.

        Raises
        ------
        EngineKilledError
            When it is missing, empty or broken off.
        EngineError
            When it is whole, and holds what cannot be read.
        """
        path = self.file("vasprun.xml")
        with named(path):
            return read_vasprun(path)

    @cached_property
    def outcar(self) -> Outcar:
        """What OUTCAR says.

        Raises
        ------
        EngineKilledError
            When it is missing, or breaks off inside its compression.
        """
        return read_outcar(self.file("OUTCAR"))

    @cached_property
    def incar(self) -> dict[str, Any]:
        """The tags that VASP was given."""
        path = find_file(self.directory, "INCAR")
        tags = Incar.from_file(path) if path else self.vasprun.incar
        return dict(tags)

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """All parameters that VASP used, defaults included."""
        return dict(self.vasprun.parameters)

    @property
    def titles(self) -> list[str]:
        """Titles of the potentials, in the order of POTCAR."""
        return list(self.vasprun.potcar_symbols)

    @property
    def stdout(self) -> str:
        """What VASP printed; empty where it was not kept."""
        path = find_file(self.directory, "vasp.out")
        return "" if path is None else text_of(path)

    def tag(self, name: str, default: Any = None) -> Any:
        """Return the value of a tag: what VASP says that it read, else what INCAR says, else its default.

        Some tags (METAGGA, LCALCEPS) never stand among VASP's parameters, and an INCAR may have been edited
        after the run.
        """
        for tags in (self.vasprun.incar, self.incar, self.parameters):
            value = tags.get(name)
            if value is not None and str(value).strip() not in ("--", ""):
                return value
        return default

    @property
    def finished(self) -> bool:
        """Whether VASP came to its own end."""
        return self.outcar.finished

    @property
    def fixed_density(self) -> bool:
        """Whether the density was that of a file (ICHARG of 10 and above)."""
        return int(self.tag("ICHARG", 0)) >= 10

    @property
    def fixed_orbitals(self) -> bool:
        """Whether eigenvalues are those of given orbitals, of their space, or of their density, once."""
        algorithm = str(self.tag("ALGO", "Normal")).lower()
        once = algorithm == "exact" and int(self.tag("NELM", 60)) == 1
        return once or algorithm in ("eigenval", "subrot", "none", "nothing")

    @property
    def one_shot(self) -> bool:
        """Whether the density was kept: eigenvalues of given orbitals, no cycle."""
        return self.fixed_density or self.fixed_orbitals or int(self.tag("NELM", 60)) == 1

    @property
    def hybrid(self) -> bool:
        """Whether exact exchange was used."""
        return bool(self.parameters.get("LHFCALC", False))

    @property
    def relaxing(self) -> bool:
        """Whether ions moved."""
        moving = int(self.parameters.get("IBRION", -1)) in (1, 2, 3)
        return moving and int(self.parameters.get("NSW", 0)) > 0

    @property
    def electronically_converged(self) -> bool:
        """Whether the last electronic cycle met its tolerance.

        A hybrid of a single iteration has none; anything else of a single iteration is as good as the wave
        functions that it says it has read, which only fixed orbitals keep.
        """
        if self.one_shot and self.hybrid:
            return True
        if self.fixed_orbitals:
            return wave_functions_read(self.stdout)
        try:
            return bool(self.vasprun.converged_electronic)
        except (IndexError, KeyError):
            # pymatgen counts the steps of a response run in a way that not every VASP writes.
            return bool(self.parameters.get("LEPSILON", False))

    @property
    def ionically_converged(self) -> bool:
        """Whether the ions came to rest.

        A run that was stopped has fewer steps than allowed, which pymatgen takes for convergence.
        """
        if not self.relaxing:
            return True
        return bool(self.vasprun.converged_ionic) and not self.outcar.stopped

    @property
    def initial_structure(self) -> Structure:
        """The structure at the start, in the order of POSCAR."""
        return _without_flags(self.vasprun.initial_structure)

    @property
    def structure(self) -> Structure:
        """The structure at the end, in the order of POSCAR."""
        return _without_flags(self.vasprun.final_structure)

    @property
    def energy(self) -> float:
        """Total energy of the cell, smearing extrapolated away, eV.

        Raises
        ------
        EngineError
            When the file holds none, or stars.
        """
        step = self.vasprun.ionic_steps[-1]
        last = step["electronic_steps"][-1] if step["electronic_steps"] else {}
        # The energy is put together from these: that of the step alone is often the entropy.
        parts = [step.get("e_fr_energy"), last.get("e_fr_energy"), last.get("e_0_energy")]
        if not all(part is not None and np.isfinite(part) for part in parts):
            raise self._without("total energy")
        return float(self.vasprun.final_energy)

    @property
    def forces(self) -> NDArray[np.float64]:
        """Forces of the last step, shape (n_sites, 3), eV/angstrom.

        Raises
        ------
        EngineError
            When the file holds none.
        """
        forces = self.vasprun.ionic_steps[-1].get("forces")
        if forces is None:
            raise self._without("forces")
        return np.asarray(forces, dtype=float)

    @property
    def free(self) -> NDArray[np.bool_]:
        """Which components of the positions were free to move, shape (n_sites, 3)."""
        start = self.vasprun.initial_structure
        flags = start.site_properties.get("selective_dynamics")
        if flags is None:
            return np.ones((len(start), 3), dtype=bool)
        return np.asarray(flags, dtype=bool)

    @property
    def dielectric_tensors(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Electronic dielectric tensors with and without local fields, empty where there is none.

        The response is computed once: finite displacements (IBRION = 5, 6) follow in further steps.
        """
        steps = self.vasprun.ionic_steps

        def last(name: str) -> NDArray[np.float64]:
            found = [step[name] for step in steps if name in step]
            return np.asarray(found[-1] if found else [], dtype=float)

        return last("epsilon"), last("epsilon_rpa")

    @property
    def site_potentials(self) -> NDArray[np.float64]:
        """Electrostatic potential at the sites (potential energy of an electron), eV.

        Raises
        ------
        EngineKilledError
            When OUTCAR does not hold one for every site.
        """
        values = self.outcar.core_potentials
        if len(values) != len(self.structure):
            raise EngineKilledError(
                f"OUTCAR in {self.directory} holds {len(values)} potentials at the cores of "
                f"{len(self.structure)} atoms",
                "one for each atom",
                "run the calculation again to its end",
            )
        return np.asarray(values, dtype=float)

    def band_edges(self) -> bands.BandEdges:
        """Return the band edges on the k-points of this calculation.

        Raises
        ------
        MetallicError
            When it is no insulator on these k-points.
        """
        try:
            return bands.band_edges(self.vasprun)
        except MetallicError as error:
            raise MetallicError(
                f"{error.found}, in {self.directory}", error.expected, error.remedy
            ) from error

    def potential(self) -> NDArray[np.float64]:
        """Return the electrostatic potential energy of an electron on the grid, eV.

        Raises
        ------
        EngineKilledError
            When LOCPOT is missing or broken off.
        EngineError
            When it holds the exchange-correlation potential too.
        """
        return read_potential(self.file("LOCPOT"), total=bool(self.tag("LVTOT", False)))

    def require_converged(self) -> None:
        """Refuse a calculation that did not come to its end, or whose density is not settled.

        Raises
        ------
        EngineKilledError
            When VASP was ended.
        ConvergenceError
            When the electronic cycle ended at its limit.
        """
        vasprun = self.vasprun
        if not self.finished:
            raise EngineKilledError(
                f"the OUTCAR in {self.directory} breaks off",
                "a run that came to its own end",
                "run it again; look at vasp.out and std_err.txt for the cause",
            )
        energy = self.outcar.energy
        if energy is not None and abs(energy - self.energy) > _SAME_ENERGY:
            raise EngineError(
                f"OUTCAR and vasprun.xml in {self.directory} are of different runs: their energies are "
                f"{energy:.4f} and {self.energy:.4f} eV",
                "the files of one run",
                "keep each run in a folder of its own",
            )
        if self.fixed_orbitals and not self.electronically_converged:
            raise EngineError(
                f"the orbitals in {self.directory} are fixed (ALGO = {self.tag('ALGO')}), and nothing says "
                "that they were read from a WAVECAR",
                "vasp.out with the line that WAVECAR was read",
                "keep vasp.out there, or repeat the calculation with ALGO = Normal",
            )
        if not self.electronically_converged:
            steps = vasprun.ionic_steps[-1]["electronic_steps"]
            raise ConvergenceError(
                f"the electronic cycle in {self.directory} ended after {len(steps)} steps",
                f"convergence to EDIFF = {self.parameters.get('EDIFF')} eV",
                "choose another ALGO or mixing, or more steps (NELM)",
            )

    def _without(self, what: str) -> EngineError:
        return EngineError(
            f"vasprun.xml in {self.directory} holds no {what}",
            "a calculation of the ground state",
            "leave this folder out, or repeat its ground state",
        )


def converged(folder: Path | Calculation) -> Calculation:
    """Return the calculation of a folder (or one that was read before) if its density is settled.

    Raises
    ------
    EngineKilledError, ConvergenceError, EngineError
        When it did not.
    """
    run = folder if isinstance(folder, Calculation) else Calculation(Path(folder))
    run.require_converged()
    return run


def _without_flags(structure: Structure) -> Structure:
    """The structure without what may move in it, which is no property of its atoms."""
    if "selective_dynamics" not in structure.site_properties:
        return structure
    return structure.copy().remove_site_property("selective_dynamics")
