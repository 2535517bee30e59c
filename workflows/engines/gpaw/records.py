"""How a step was computed: the record that each document carries."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from ase import Atoms

from surfalign.hashing import hash_of
from surfalign.physics.checks import Check
from surfalign.stores.documents import CalculationRecord
from surfalign.workflows.engines.gpaw.calculator import ParallelGPAW
from surfalign.workflows.engines.gpaw.dispersion import library_version
from surfalign.workflows.engines.gpaw.settings import FORCE_NOISE, NUMERICAL_ERRORS


def calculation_record(
    calculator: ParallelGPAW,
    atoms: Atoms,
    step: str,
    *,
    xc: str = "PBEsol",
    answer: dict[str, Any] | None = None,
    checks: Sequence[Check] = (),
    extra_settings: dict[str, Any] | None = None,
) -> CalculationRecord:
    """Return the record of a step whose engine still runs.

    Parameters
    ----------
    calculator
        The calculator that did the step.
    atoms
        The cell: its elements name the datasets.
    step
        Kind of step.
    xc
        Functional of the step; dispersion is named beside it where the answer includes it.
    answer
        The engine's last answer; its checks and warnings are taken over.
    checks
        Further checks.
    extra_settings
        Settings of this step besides the preset's.
    """
    elements = sorted(set(atoms.get_chemical_symbols()))
    about = calculator.request("about", atoms, elements=elements)
    engine, mesh = calculator.engine, calculator.mesh
    assert engine is not None
    assert mesh is not None
    answer = answer or {}
    versions = dict(about["code_versions"])
    if "dispersion_energy" in answer:
        xc, versions["dftd3"] = f"{xc} +{calculator.settings.dispersion.upper()}", library_version()
    settings = calculator.settings.numerical() | (extra_settings or {})
    if "n_k_points" in answer:  # a ground state on the calculator's own mesh
        settings |= {"k_mesh": list(mesh.size), "k_gamma": mesh.gamma}
    return CalculationRecord(
        step=step,
        engine="gpaw",
        engine_version=about["engine_version"],
        code_versions=versions,
        xc=xc,
        quality=calculator.settings.quality,
        settings=settings,
        settings_hash=hash_of(settings),
        datasets=about["datasets"],
        cores=engine.processes,
        wall_time=calculator.wall_time,
        cpu_time=engine.cpu_time,
        peak_memory=engine.peak_memory,
        started_at=calculator.started_at,
        hostname=socket.gethostname(),
        warnings=list(answer.get("warnings", [])),
        checks=[*(Check(**check) for check in answer.get("checks", [])), *checks],
        numerical_error=NUMERICAL_ERRORS.get(calculator.settings.quality),
        force_noise=FORCE_NOISE.get(calculator.settings.quality),
    )
