"""A toy engine (never called DFT): closed-form potentials whose IP is known exactly.

TOY_SECONDS makes each step last; TOY_FAILS_FOR names a formula whose relaxation fails. TOY_SCRATCH is
the size (bytes) of a file that each step writes to its directory. TOY_HANGS names a file: who removes it
hangs, so that exactly one step runs into its walltime; TOY_CRASHES likewise: who removes it dies, by TOY_SIGNAL. TOY_GATE names a file that the band edges wait for.
TOY_LOG names a file in which starts and ends of steps are noted.
"""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import numpy as np
from jobflow import CURRENT_JOB, Maker, job
from pymatgen.core import Structure

from surfalign.errors import ConvergenceError
from surfalign.physics.levels.potential import slab_regions
from surfalign.stores.documents import (
    BandEdgesDocument,
    BulkDocument,
    CalculationRecord,
    DielectricDocument,
    SlabPotentialDocument,
    SlabRelaxationDocument,
)
from surfalign.workflows.engines.engine import Engine

STEP, VBM, GAP, GAMMA = 9.5, 2.4, 7.9, 0.05  # eV, eV, eV, eV/angstrom^2
SITE_SHIFT = {"O": -18.0}
EXECUTED: list[str] = []  # steps that really ran, for tests of resume


def record(step: str) -> CalculationRecord:
    EXECUTED.append(step)
    note("start")
    made = _record(step)
    note("end")
    return made


def note(event: str) -> None:
    """Write down which job ran when, where TOY_LOG names a file: who runs twice at once is found so."""
    if "TOY_LOG" in os.environ:
        line = {"uuid": CURRENT_JOB.job.uuid, "event": event, "at": time.time(), "pid": os.getpid()}
        with Path(os.environ["TOY_LOG"]).open("a") as log:
            log.write(json.dumps(line | {"slurm": os.environ.get("SLURM_JOB_ID")}) + "\n")


def _record(step: str) -> CalculationRecord:
    time.sleep(float(os.environ.get("TOY_SECONDS", "0")))
    while step == "band_edges" and "TOY_GATE" in os.environ:
        if Path(os.environ["TOY_GATE"]).exists():
            break
        time.sleep(0.05)
    if "TOY_SCRATCH" in os.environ:
        scratch = Path("toy-scratch")
        scratch.write_bytes(b"x" * int(os.environ["TOY_SCRATCH"]))
        scratch.unlink()
    with suppress(FileNotFoundError):
        if "TOY_HANGS" in os.environ:
            Path(os.environ["TOY_HANGS"]).unlink()
            time.sleep(3600)
    with suppress(FileNotFoundError):
        if "TOY_CRASHES" in os.environ:
            Path(os.environ["TOY_CRASHES"]).unlink()
            os.kill(os.getpid(), int(os.environ.get("TOY_SIGNAL", signal.SIGKILL)))
    return CalculationRecord(
        step=step, engine="toy", engine_version="1", xc="toy", quality="quick", settings={"s": step},
        settings_hash="0", cores=1, wall_time=0.1, cpu_time=0.1, started_at=datetime.now(UTC),
    )  # fmt: skip


def site_potentials(structure: Structure) -> list[float]:
    return [SITE_SHIFT.get(site.specie.symbol, -30.0) for site in structure]


@dataclass
class ToyBulkMaker(Maker):
    stable_name: ClassVar[str] = "toy.bulk"
    name: str = "toy bulk"

    @job(output_schema=BulkDocument)
    def make(self, structure: Structure) -> BulkDocument:
        energy = -5.0 * len(structure)
        return BulkDocument(
            structure=structure, formula=structure.reduced_formula, n_atoms=len(structure),
            energy=energy, energy_per_atom=-5.0, band_gap=5.0, max_force=0.0,
            calculation=record("bulk"),
        )  # fmt: skip


@dataclass
class ToyDielectricMaker(Maker):
    stable_name: ClassVar[str] = "toy.dielectric"
    name: str = "toy dielectric"

    @job(output_schema=DielectricDocument)
    def make(self, structure: Structure) -> DielectricDocument:
        tensor = ((3.0, 0.0, 0.0), (0.0, 3.0, 0.0), (0.0, 0.0, 3.0))
        return DielectricDocument(
            structure=structure, dielectric_tensor=tensor, dielectric_constant=3.0,
            calculation=record("dielectric"),
        )  # fmt: skip


@dataclass
class ToyBandEdgesMaker(Maker):
    stable_name: ClassVar[str] = "toy.band_edges"
    name: str = "toy band edges"
    gap: float = GAP

    @job(output_schema=BandEdgesDocument)
    def make(self, structure: Structure, dielectric_constant: float | None) -> BandEdgesDocument:
        return BandEdgesDocument(
            structure=structure, functional="ddh", exchange_fraction=1 / (dielectric_constant or 1),
            dielectric_constant=dielectric_constant, valence_band_maximum=VBM,
            conduction_band_minimum=VBM + self.gap, band_gap=self.gap,
            semilocal_valence_band_maximum=VBM + 2, semilocal_conduction_band_minimum=VBM + 6,
            valence_band_k_point=(0, 0, 0), conduction_band_k_point=(0, 0, 0), is_direct=True,
            site_potentials=site_potentials(structure), calculation=record("band_edges"),
        )  # fmt: skip


@dataclass
class ToySlabRelaxMaker(Maker):
    stable_name: ClassVar[str] = "toy.slab_relaxation"
    name: str = "toy relaxation"
    fails_for: str = ""

    @job(output_schema=SlabRelaxationDocument)
    def make(self, slab: Structure) -> SlabRelaxationDocument:
        if slab.reduced_formula in (self.fails_for, os.environ.get("TOY_FAILS_FOR")):
            raise ConvergenceError("no convergence in 10 steps", "forces below 0.05", "more steps")
        return SlabRelaxationDocument(
            structure=slab, initial_structure=slab, energy=0.0, max_force=0.0, max_displacement=0.0,
            n_steps=1, converged=True, calculation=record("slab_relaxation"),
        )  # fmt: skip


@dataclass
class ToyWholeRelaxMaker(Maker):
    """Takes the bulk too, and returns the potential with the relaxed slab."""

    stable_name: ClassVar[str] = "toy.whole_relaxation"
    takes_oriented_bulk: ClassVar[bool] = True
    gives_potential: ClassVar[bool] = True
    name: str = "toy relaxation"

    @job(output_schema=SlabRelaxationDocument)
    def make(self, slab: Structure, oriented_bulk: Structure) -> SlabRelaxationDocument:
        assert len(slab) % len(oriented_bulk) == 0
        potential = potential_of(slab, 0.0, "slab_relaxation")
        return SlabRelaxationDocument(
            structure=slab, initial_structure=slab, energy=potential.energy, max_force=0.0,
            max_displacement=0.0, n_steps=1, converged=True, predicted_change=0.04,
            predicted_error=0.02, centre_change=-0.01,
            potential=potential, calculation=potential.calculation,
        )  # fmt: skip


@dataclass
class ToySlabPotentialMaker(Maker):
    stable_name: ClassVar[str] = "toy.slab_potential"
    name: str = "toy potential"
    tilt: float = 0.0

    @job(output_schema=SlabPotentialDocument)
    def make(self, slab: Structure) -> SlabPotentialDocument:
        return potential_of(slab, self.tilt, "slab_potential")


def potential_of(slab: Structure, tilt: float, step: str) -> SlabPotentialDocument:
    period = float(slab.lattice.c)
    regions = slab_regions(slab.frac_coords[:, 2] * period, period)
    z = np.arange(400) * period / 400
    distance = (z - regions.slab_centre + period / 2) % period - period / 2
    edge = regions.slab_thickness / 2 + 0.6
    inside = 0.5 * (np.tanh((distance + edge) / 0.25) - np.tanh((distance - edge) / 0.25))
    potential = 3.0 - STEP * inside + tilt * distance
    return SlabPotentialDocument(
        structure=slab,
        energy=-5.0 * len(slab) + 2 * GAMMA * slab.volume / period,
        positions=z.tolist(), planar_average=potential.tolist(),
        site_potentials=[v + 3.0 - STEP for v in site_potentials(slab)],
        calculation=record(step),
    )  # fmt: skip


def toy_engine(
    gap: float = GAP, fails_for: str = "", tilt: float = 0.0, slab_thickness: float = 10.0
) -> Engine:
    return Engine(
        name="toy", quality="quick", functional="ddh", bulk_maker=ToyBulkMaker(),
        oriented_bulk_maker=ToyBulkMaker(name="toy oriented bulk"),
        dielectric_maker=ToyDielectricMaker(), band_edges_maker=ToyBandEdgesMaker(gap=gap),
        slab_relax_maker=ToySlabRelaxMaker(fails_for=fails_for),
        slab_potential_maker=ToySlabPotentialMaker(tilt=tilt), slab_thickness=slab_thickness,
        vacuum_thickness=12.0,
    )  # fmt: skip


def make_engine(quality: str, functional: str, equation_of_state: bool) -> Engine:
    """What ``ENGINES`` names."""
    return toy_engine()
