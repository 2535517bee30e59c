"""Results to store: made-up numbers, real shapes."""

from __future__ import annotations

from typing import Any

from monty.json import jsanitize
from pymatgen.core import Lattice, Structure

from surfalign.physics.checks import Check, within
from surfalign.stores.database import Database
from surfalign.stores.documents import (
    ErrorRecord,
    PotentialProfile,
    ResultState,
    StepTiming,
    SurfaceLevelsDocument,
)


def slab() -> Structure:
    """Return one layer of MgO(100) in a tall cell."""
    lattice = Lattice.tetragonal(2.98, 20.0)
    structure = Structure(lattice, ["Mg", "O"], [[0, 0, 0.5], [0.5, 0.5, 0.5]])
    return structure.add_site_property("bulk_site", [0, 1])


def passed_result(identifier: str = "mgo-100", **fields: Any) -> SurfaceLevelsDocument:
    """Return a result as a run stores it; ``fields`` replace the defaults."""
    defaults: dict[str, Any] = {
        "identifier": identifier,
        "state": ResultState.PASSED,
        "formula": "MgO",
        "surface_name": "MgO(100)-A",
        "miller_index": (1, 0, 0),
        "termination": "A",
        "functional": "ddh",
        "quality": "quick",
        "relaxed": True,
        "ionization_potential": 7.15,
        "electron_affinity": -0.75,
        "band_gap": 7.9,
        "surface_energy": 1.15,
        "dielectric_constant": 2.96,
        "exchange_fraction": 0.338,
        "checks": [within("vacuum_flat", 0.001, 0.01, "eV", "The vacuum level is flat.")],
        "slab_structure": slab(),
        "potential": PotentialProfile(
            positions=[0.0, 10.0], planar_average=[0.0, -12.5], macroscopic_average=[-1.0, -11.0]
        ),
        "settings": {"slab_potential": {"ecut": 400.0}},
        "timings": [StepTiming(step="bulk", wall_time=3.0, cpu_time=5.5, cores=2)],
    }
    return SurfaceLevelsDocument(**(defaults | fields))


def flagged_result(identifier: str = "cao-100", **fields: Any) -> SurfaceLevelsDocument:
    """Return a result with a failed check whose value is not finite."""
    defaults: dict[str, Any] = {
        "state": ResultState.FLAGGED,
        "formula": "CaO",
        "surface_name": "CaO(100)-A",
        "ionization_potential": 6.2,
        "electron_affinity": 0.1,
        "band_gap": 6.1,
        "checks": [
            within("vacuum_flat", 0.001, 0.01, "eV", "The vacuum level is flat."),
            Check("slab_centre", float("nan"), 0.05, "eV", False, "The slab is bulk inside."),
        ],
        "failed_checks": ["slab_centre"],
    }
    return passed_result(identifier, **(defaults | fields))


def failed_result(identifier: str = "zno-110", **fields: Any) -> SurfaceLevelsDocument:
    """Return a result without numbers."""
    defaults: dict[str, Any] = {
        "identifier": identifier,
        "state": ResultState.FAILED,
        "formula": "ZnO",
        "surface_name": "ZnO(110)-A",
        "miller_index": (1, 1, 0),
        "functional": "hse06",
        "quality": "quick",
        "relaxed": False,
        "error": ErrorRecord(
            error="ConvergenceError", message="SCF stopped at [step 3]", step="slab_potential"
        ),
    }
    return SurfaceLevelsDocument(**(defaults | fields))


def store(database: Database, *documents: SurfaceLevelsDocument) -> None:
    """Put results into the collection of results."""
    database.surface_levels.update([record(document) for document in documents])


def record(document: SurfaceLevelsDocument) -> dict[str, Any]:
    """Return a document as jobflow stores it."""
    plain: dict[str, Any] = jsanitize(document, strict=True, enum_values=True, allow_bson=True)
    return plain


def job_output(document: SurfaceLevelsDocument, uuid: str, completed_at: str) -> dict[str, Any]:
    """Return the store's document of a finished job."""
    return {
        "uuid": uuid,
        "index": 1,
        "output": record(document),
        "completed_at": completed_at,
        "metadata": {},
        "hosts": [],
        "name": "surface levels",
    }
