"""One finished VASP calculation in a folder: what its files say, with errors that have names.

The files may be compressed, and may carry the suffixes that custodian and atomate leave
(``vasprun.xml.relax2.gz``): the last run of the folder is read.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from monty.io import zopen
from numpy.typing import NDArray
from pymatgen.core import Structure
from pymatgen.io.vasp.inputs import Incar
from pymatgen.io.vasp.outputs import Locpot, Outcar, Vasprun

from surfalign.errors import ConvergenceError, EngineError, EngineKilledError, MetallicError
from surfalign.workflows.engines.vasp.outputs.phrases import END_OF_OUTCAR

_COMPRESSIONS = ("", ".gz", ".bz2", ".xz", ".z", ".Z")
#: Copies that custodian makes of inputs, and of the files of a run that failed.
_NOT_RESULTS = (".orig", ".spec", ".tar", ".tmp", ".lock")


def find_file(directory: Path, name: str) -> Path | None:
    """Return the file of a name, compressed or suffixed, of the last run in a folder."""
    for compression in _COMPRESSIONS:
        if (path := directory / f"{name}{compression}").is_file():
            return path
    suffixed = [
        path
        for path in directory.glob(f"{name}.*")
        if path.is_file() and not any(part in path.name for part in _NOT_RESULTS)
    ]
    return max(suffixed, key=lambda path: path.name, default=None)


@dataclass(frozen=True)
class BandEdges:
    """Band edges on the k-points of a calculation, eV; k-points in reduced coordinates."""

    valence_band_maximum: float
    conduction_band_minimum: float
    valence_band_k_point: tuple[float, float, float]
    conduction_band_k_point: tuple[float, float, float]

    @property
    def band_gap(self) -> float:
        """Gap, eV; not positive for a metal."""
        return self.conduction_band_minimum - self.valence_band_maximum


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
    def vasprun(self) -> Vasprun:
        """The parsed vasprun.xml, without densities of states.

        Raises
        ------
        EngineKilledError
            When it is missing, empty or broken off.
        """
        path = self.file("vasprun.xml")
        with _named(path), warnings.catch_warnings():
            # Convergence is judged below, step by step.
            warnings.simplefilter("ignore")
            vasprun = Vasprun(path, parse_dos=False, parse_potcar_file=False)
            if not vasprun.ionic_steps:
                raise ValueError("it holds no ionic step")
        return vasprun

    @cached_property
    def outcar(self) -> Outcar:
        """The parsed OUTCAR.

        Raises
        ------
        EngineKilledError
            When it is missing or broken off.
        """
        path = self.file("OUTCAR")
        with _named(path), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Outcar(path)

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
    def stdout(self) -> str:
        """What VASP printed; empty where it was not kept."""
        path = find_file(self.directory, "vasp.out")
        return "" if path is None else _text(path)

    @property
    def finished(self) -> bool:
        """Whether VASP came to its own end."""
        return END_OF_OUTCAR in _text(self.file("OUTCAR"))[-6000:]

    @property
    def one_shot(self) -> bool:
        """Whether the density was kept: eigenvalues of given orbitals, no cycle."""
        algorithm = str(self.incar.get("ALGO", "Normal")).lower()
        fixed = int(self.incar.get("ICHARG", 0)) >= 10
        return fixed or int(self.incar.get("NELM", 60)) == 1 or algorithm in ("eigenval", "nothing")

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
        """Whether the last electronic cycle met its tolerance; one-shot runs have none."""
        try:
            return self.one_shot or bool(self.vasprun.converged_electronic)
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
        return bool(self.vasprun.converged_ionic) and not self.outcar.is_stopped

    @property
    def initial_structure(self) -> Structure:
        """The structure at the start, in the order of POSCAR."""
        return self.vasprun.initial_structure

    @property
    def structure(self) -> Structure:
        """The structure at the end, in the order of POSCAR."""
        return self.vasprun.final_structure

    @property
    def energy(self) -> float:
        """Total energy of the cell, smearing extrapolated away, eV."""
        return float(self.vasprun.final_energy)

    @property
    def forces(self) -> NDArray[np.float64]:
        """Forces of the last step, shape (n_sites, 3), eV/angstrom."""
        return np.asarray(self.vasprun.ionic_steps[-1]["forces"], dtype=float)

    @property
    def site_potentials(self) -> NDArray[np.float64]:
        """Electrostatic potential at the sites (potential energy of an electron), eV.

        Raises
        ------
        EngineKilledError
            When OUTCAR does not hold one for every site.
        """
        values = self.outcar.electrostatic_potential or []
        if len(values) != len(self.structure):
            raise EngineKilledError(
                f"OUTCAR in {self.directory} holds {len(values)} potentials at the cores of "
                f"{len(self.structure)} atoms",
                "one for each atom",
                "run the calculation again to its end",
            )
        return np.asarray(values, dtype=float)

    def band_edges(self) -> BandEdges:
        """Return the band edges on the k-points of this calculation.

        Raises
        ------
        MetallicError
            When the gap closes on these k-points.
        """
        values = np.concatenate(
            [np.asarray(v) for v in (self.vasprun.eigenvalues or {}).values()], axis=1
        )
        occupied = values[..., 1] > 0.5
        filled = np.where(occupied, values[..., 0], -np.inf).max(axis=1)
        empty = np.where(occupied, np.inf, values[..., 0]).min(axis=1)
        top, bottom = int(filled.argmax()), int(empty.argmin())
        points = self.vasprun.actual_kpoints
        edges = BandEdges(
            float(filled[top]), float(empty[bottom]), _vector(points[top]), _vector(points[bottom])
        )
        if not edges.band_gap > 0 or len(set(occupied.sum(axis=1).tolist())) > 1:
            raise MetallicError(
                f"the gap of {self.structure.composition.reduced_formula} closes in "
                f"{self.directory} ({edges.band_gap:.3f} eV)",
                "an insulator in every step",
                "leave this crystal out, or look at its occupations in vasprun.xml",
            )
        return edges

    def potential(self) -> NDArray[np.float64]:
        """Return the electrostatic potential energy of an electron on the grid, eV.

        Raises
        ------
        EngineKilledError
            When LOCPOT is missing or broken off.
        EngineError
            When it holds the exchange-correlation potential too.
        """
        path = self.file("LOCPOT")

        def asked(tag: str) -> bool:
            return bool(self.incar.get(tag, self.parameters.get(tag, False)))

        if asked("LVTOT") and not asked("LVHAR"):
            raise EngineError(
                f"LOCPOT in {self.directory} was written with LVTOT: it holds exchange and "
                "correlation, which do not decay into the vacuum as the alignment needs",
                "LVHAR = .TRUE.",
                "repeat this static calculation with LVHAR instead of LVTOT",
            )
        with _named(path), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            locpot = Locpot.from_file(path)
            return np.asarray(next(iter(dict.values(locpot.data))), dtype=float)

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
        if not self.electronically_converged:
            steps = vasprun.ionic_steps[-1]["electronic_steps"]
            raise ConvergenceError(
                f"the electronic cycle in {self.directory} ended after {len(steps)} steps",
                f"convergence to EDIFF = {self.parameters.get('EDIFF')} eV",
                "choose another ALGO or mixing, or more steps (NELM)",
            )


def _vector(point: Any) -> tuple[float, float, float]:
    return cast("tuple[float, float, float]", tuple(float(x) for x in point))


def _text(path: Path) -> str:
    with zopen(path, mode="rt", encoding="utf-8", errors="replace") as file:
        return str(file.read())


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Give whatever a parser of pymatgen raises on a broken file one name."""
    try:
        yield
    # Its parsers raise whatever a missing line leads to: lxml's errors, IndexError, KeyError, ...
    except Exception as error:
        raise EngineKilledError(
            f"{path} cannot be read to its end ({type(error).__name__}: {error})",
            "the complete file of a run that came to its end",
            "run this calculation again",
        ) from error
