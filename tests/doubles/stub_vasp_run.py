"""One run of ``stub_vasp``: electronic and ionic steps, and the files they leave."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import stub_vasp_files as files
import stub_vasp_model as model
from stub_vasp_failures import FAILURES, Failure
from stub_vasp_inputs import Inputs

#: eV of garbage where a one-shot run starts from random wave functions.
GARBAGE = 5.0
#: Force on an atom that is held, eV/angstrom: it feels the bulk that is not there.
HELD_FORCE = 1.2
#: Exchange and correlation in a potential that is written with LVTOT: in matter, eV.
EXCHANGE = -9.0
#: A relaxation that is never stopped ends here.
LONGEST = 240.0


@dataclass
class Run:
    directory: Path
    inputs: Inputs
    failure: Failure | None = None
    started: float = field(default_factory=time.monotonic)
    body: str = ""
    soft_stop: bool = False
    at_rest: bool = False

    def execute(self) -> int:
        inputs = self.inputs
        for name in ("OUTCAR", "OSZICAR", "CONTCAR", "vasprun.xml", "LOCPOT"):
            (self.directory / name).unlink(missing_ok=True)
        self.wave_functions_read = self._read_wave_functions()
        if self.wave_functions_read is None:
            return 1
        if inputs.integer("ICHARG", 2) >= 10 and not (self.directory / "CHGCAR").is_file():
            print(
                " ERROR: charge density could not be read from file CHGCAR for ICHARG>10",
                flush=True,
            )
            return 1
        self.spins = 2 if inputs.integer("ISPIN", 1) == 2 else 1
        self.spin_orbit = inputs.flag("LSORBIT")
        self.n_electrons = inputs.crystal.n_electrons()
        self.filled = self.n_electrons if self.spin_orbit else self.n_electrons // 2
        default = self.filled + max(len(inputs.crystal.symbols) // 2, 3)
        self.n_bands = inputs.integer("NBANDS", default)
        self.grid, self.vacuum_level = model.potential(inputs.crystal)
        parameters = self._parameters()
        head = files.outcar_head(inputs, parameters, self.n_electrons, self.grid.shape)
        files.append(self.directory / "OUTCAR", head)
        files.append(self.directory / "vasprun.xml", files.vasprun_head(inputs, parameters))
        if self.n_bands <= self.filled:
            print(" TOO FEW BANDS!! Increase NBANDS", flush=True)
            return 1
        print(
            "       N       E                     dE             d eps       ncg     rms          rms(c)"
        )
        self._failing("start")
        crystal = self._steps()
        return self._finish(crystal)

    # --- the steps -----------------------------------------------------------------------------

    def _steps(self) -> model.Crystal:
        inputs, crystal = self.inputs, self.inputs.crystal
        relaxing = inputs.kind in ("bulk", "slab_relaxation") or (
            inputs.integer("NSW", 0) > 0 and inputs.integer("IBRION", -1) in (1, 2, 3)
        )
        isif = inputs.integer("ISIF", 2)
        displacing = inputs.integer("IBRION", -1) in (5, 6)
        most = max(inputs.integer("NSW", 0), 1) if relaxing else 3 if displacing else 1
        ediffg = inputs.number("EDIFFG", 1e-3)
        tolerance = -ediffg if ediffg < 0 else 0.01
        endless = self.failure is not None and self.failure.name == "walltime"
        number = 0
        while number < most or endless:
            number += 1
            moves, strain = model.distortion(crystal, isif) if relaxing else (0.0, 0.0)
            moves = np.array(np.broadcast_to(moves, (len(crystal.symbols), 3)))
            if inputs.free is not None:
                moves[~inputs.free] = 0.0
            forces = 2.0 * moves
            last = not relaxing or (
                np.abs(forces).max() < 0.5 * tolerance and abs(strain) < 1e-6 and not endless
            )
            self.at_rest = relaxing and last
            if displacing:
                last = number == most
            felt = forces if inputs.free is None else np.where(inputs.free, forces, HELD_FORCE)
            self._ionic_step(number, crystal, felt, last)
            self._failing("step")
            if last or self._told_to_stop() or (endless and self._seconds() > LONGEST):
                break
            # A run that is to meet its wall time gets nowhere until then.
            pace = 0.005 if endless else 0.8
            cell = crystal.cell * (1 + pace * strain)
            shifts = pace * np.broadcast_to(moves, (len(crystal.symbols), 3)) @ np.linalg.inv(cell)
            if number < most or endless:
                crystal = replace(crystal, cell=cell, positions=crystal.positions + shifts)
        return crystal

    def _ionic_step(
        self, number: int, crystal: model.Crystal, forces: np.ndarray, last: bool
    ) -> None:
        inputs = self.inputs
        energy = model.energy(crystal)
        limit = inputs.integer("NELM", 60)
        sloshing = self.failure is not None and self.failure.name == "charge_sloshing"
        n_scf = limit if sloshing else min(limit, 9)
        scale = 1.0 if sloshing else 0.05
        scf = [energy + scale * 10.0 ** -(0 if sloshing else i) for i in range(1, n_scf)] + [energy]
        pause = float(os.environ.get("STUB_VASP_SECONDS_PER_STEP", "0"))
        if self.failure is not None and self.failure.name == "walltime":
            pause = max(pause, 0.3)
        time.sleep(pause)
        algorithm = "DAV" if inputs.text("ALGO", "N")[:1] in "Nn" else "CGA"
        text = "       N       E                     dE             d eps       ncg     rms          rms(c)\n"
        for i, value in enumerate(scf, start=1):
            change = 0.1 * (-1) ** i if sloshing else value - (scf[i - 2] if i > 1 else 0.0)
            text += f"{algorithm}: {i:3}   {value:16.10E}  {change:12.5E} {change:12.5E} {100:5} {abs(change):10.3E}\n"
        text += f"{number:4} F= {energy:.8E} E0= {energy:.8E}  d E ={0.0:.6E}\n"
        files.append(self.directory / "OSZICAR", text)
        print(text, end="", flush=True)
        positions = crystal.positions @ crystal.cell
        files.append(
            self.directory / "OUTCAR",
            files.outcar_step(number, scf, forces, positions, max(pause, 0.01)),
        )
        ends = last or self._stop_file() or number >= max(inputs.integer("NSW", 0), 1)
        displacing = inputs.integer("IBRION", -1) in (5, 6)
        extra = self._last_part(crystal) if ends and (last or not displacing) else ""
        if inputs.flag("LEPSILON") and number == 1:  # before any atom is displaced
            extra = self._tensors() + extra
        files.append(
            self.directory / "vasprun.xml",
            files.calculation_xml(crystal, energy, forces, scf, extra),
        )
        (self.directory / "CONTCAR").write_text(files.poscar(crystal, inputs.comment))

    def _last_part(self, crystal: model.Crystal) -> str:
        """Eigenvalues, the Fermi level and, for a response run, the dielectric tensors."""
        inputs = self.inputs
        hybrid = inputs.flag("LHFCALC")
        edges = model.band_edges(
            inputs.number("AEXX", 0.25) if hybrid else 0.0,
            screened=hybrid and inputs.number("HFSCREEN", 0.0) > 0,
            self_consistent=not inputs.one_shot,
            spin_orbit=self.spin_orbit,
        )
        if inputs.one_shot and not self.wave_functions_read:
            edges = (edges[0] + GARBAGE, edges[1] + GARBAGE)
        if crystal.is_slab:  # on the scale of the slab's cell, whose average is zero
            level = self.vacuum_level - model.potential_step(
                crystal.symbols, crystal.volume * (1 - (crystal.vacuum - 2.0) / crystal.height)
            )
            edges = (edges[0] + level, edges[1] + level)
        values = model.eigenvalues(crystal, inputs.k_points, self.n_bands, edges, self.filled)
        self.fermi_level = edges[0] + 0.1
        return files.eigenvalues_xml(values, self.spins, self.fermi_level)

    @staticmethod
    def _tensors() -> str:
        return files.varray("epsilon", model.DIELECTRIC_CONSTANT * np.eye(3)) + files.varray(
            "epsilon_rpa", model.WITHOUT_LOCAL_FIELDS * np.eye(3)
        )

    # --- the end -------------------------------------------------------------------------------

    def _finish(self, crystal: model.Crystal) -> int:
        inputs = self.inputs
        self.grid, self.vacuum_level = model.potential(crystal)
        outcar = self.directory / "OUTCAR"
        if not hasattr(self, "fermi_level"):  # stopped before any last step
            self.fermi_level = 0.0
        sites = model.site_potentials(crystal)
        files.append(outcar, files.outcar_electrostatics(sites, self.fermi_level, self.n_electrons))
        if inputs.flag("LEPSILON"):
            title = "MACROSCOPIC STATIC DIELECTRIC TENSOR (including local field effects in DFT)"
            files.append(outcar, files.outcar_tensor(title, model.DIELECTRIC_CONSTANT * np.eye(3)))
        if inputs.flag("LVHAR") or inputs.flag("LVTOT"):
            grids = [self.grid] * self.spins
            if not inputs.flag("LVHAR"):
                matter = self.grid < self.vacuum_level - 0.1
                grids = [grid + EXCHANGE * matter * (1 + 0.01 * s) for s, grid in enumerate(grids)]
            (self.directory / "LOCPOT").write_text(files.locpot(crystal, inputs.comment, *grids))
        lost = self.failure is not None and self.failure.name == "missing_wavecar"
        if inputs.flag("LWAVE", True) and not lost:
            (self.directory / "WAVECAR").write_text("stub WAVECAR\n")
        if inputs.flag("LCHARG", True):
            (self.directory / "CHGCAR").write_text("stub CHGCAR\n")
        vasprun = self.directory / "vasprun.xml"
        files.append(vasprun, files.structure_xml(crystal, "finalpos") + "</modeling>\n")
        if self.soft_stop:
            files.append(outcar, " soft stop encountered!  aborting job ...\n")
            (self.directory / "STOPCAR").unlink(missing_ok=True)
        elif self.at_rest:
            print(" reached required accuracy - stopping structural energy minimisation")
        self._failing("end")
        files.append(outcar, files.outcar_tail(self._seconds()))
        if "STUB_VASP_PROFILE" in os.environ:
            files.append(outcar, files.outcar_profile(int(os.environ["STUB_VASP_PROFILE"])))
        return 0

    def _read_wave_functions(self) -> bool | None:
        """Whether WAVECAR was there; None where it cannot be read."""
        path = self.directory / "WAVECAR"
        if self.inputs.integer("ISTART", 1) == 0 or not path.is_file() or not path.stat().st_size:
            print(" WAVECAR not read")
            return False
        print(" reading WAVECAR")
        if self.failure is not None and self.failure.name == "corrupt_wavecar":
            print(" ERROR: while reading WAVECAR, plane wave coefficients changed", flush=True)
            return None
        word = os.environ.get("STUB_VASP_READ", "successfully")  # "sucessfully" before VASP 5.3
        print(f" the WAVECAR file was read {word}", flush=True)
        return True

    def _told_to_stop(self) -> bool:
        if self._stop_file():
            self.soft_stop = True
        return self.soft_stop

    def _stop_file(self) -> bool:
        path = self.directory / "STOPCAR"
        return path.is_file() and ".TRUE." in path.read_text().upper()

    def _seconds(self) -> float:
        return time.monotonic() - self.started

    def _failing(self, moment: str) -> None:
        if self.failure is not None and self.failure.moment == moment:
            FAILURES[self.failure.name](self.directory)

    def _parameters(self) -> dict[str, Any]:
        inputs = self.inputs
        hybrid = inputs.flag("LHFCALC")
        return {
            "PREC": inputs.text("PREC", "normal").lower(),
            "ENMAX": inputs.number("ENCUT", 400.0),
            "EDIFF": inputs.number("EDIFF", 1e-4),
            "EDIFFG": inputs.number("EDIFFG", 1e-3),
            "NELM": inputs.integer("NELM", 60),
            "NELECT": float(self.n_electrons),
            "NBANDS": self.n_bands,
            "ISPIN": self.spins,
            "IBRION": inputs.integer("IBRION", -1),
            "NSW": inputs.integer("NSW", 0),
            "ISIF": inputs.integer("ISIF", 2),
            "ISMEAR": inputs.integer("ISMEAR", 1),
            "SIGMA": inputs.number("SIGMA", 0.2),
            "GGA": inputs.text("GGA", "PE")[:2].upper(),
            "LHFCALC": hybrid,
            "AEXX": inputs.number("AEXX", 0.25) if hybrid else 0.0,
            "HFSCREEN": inputs.number("HFSCREEN", 0.0),
            "LEPSILON": inputs.flag("LEPSILON"),
            "LSORBIT": self.spin_orbit,
            "LNONCOLLINEAR": self.spin_orbit,
            "LDAU": inputs.flag("LDAU"),
            "LVHAR": inputs.flag("LVHAR"),
            "LVTOT": inputs.flag("LVTOT"),
            "LDIPOL": inputs.flag("LDIPOL"),
            "LORBIT": inputs.integer("LORBIT", 0),
            "IDIPOL": inputs.integer("IDIPOL", 0),
            "NGXF": self.grid.shape[0],
            "NGYF": self.grid.shape[1],
            "NGZF": self.grid.shape[2],
        }
