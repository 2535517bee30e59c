"""Documents read from the files of finished calculations, against the closed form of the stand-in."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import stub_vasp_model as model
from emmet.core.tasks import TaskDoc
from pymatgen.core import Structure

from surfalign.errors import ConvergenceError, EngineError, EngineKilledError
from surfalign.stores.documents import SurfaceDescription
from surfalign.stores.levels import SurfaceSteps, surface_levels
from surfalign.workflows.engines.vasp.outputs.calculation import Calculation
from surfalign.workflows.engines.vasp.outputs.edges import read_band_edges
from surfalign.workflows.engines.vasp.outputs.method import functional_name
from surfalign.workflows.engines.vasp.outputs.reading import (
    matching_sites,
    read_bulk,
    read_dielectric,
    read_slab_potential,
    read_slab_relaxation,
)
from surfalign.workflows.engines.vasp.outputs.step_context import StepContext
from surfalign.workflows.engines.vasp.running.corrections import corrections_of

Stub = Callable[..., Path]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MESH, SLAB_MESH = (4, 4, 4), (4, 4, 1)


def context(step: str, **folders: Path) -> StepContext:
    return StepContext(step, "standard", "", {}, NOW, 1, dict(folders))


def shuffled(structure: Structure) -> Structure:
    """The same structure with another order of sites, as a slab has against its POSCAR."""
    return Structure.from_sites([structure[i] for i in np.roll(np.arange(len(structure)), 1)])


def test_the_levels_of_the_model_come_back_through_all_five_documents(
    stub: Stub, mgo: Structure, mgo_surface: SurfaceDescription
) -> None:
    folder = stub("static", "static", mgo, MESH)
    bulk = read_bulk(folder, mgo, context("bulk", static=folder))
    folder = stub("dfpt", "dielectric", mgo, MESH)
    dielectric = read_dielectric(folder, mgo, context("dielectric", dfpt=folder))
    assert dielectric.dielectric_constant == pytest.approx(model.DIELECTRIC_CONSTANT)
    assert dielectric.dielectric_constant_no_local_fields == pytest.approx(3.3)
    semilocal = stub("edges", "semilocal", mgo, MESH)
    hybrid = semilocal.parent / "one_shot"
    hybrid.mkdir()
    shutil.copy(semilocal / "WAVECAR", hybrid)
    stub("one_shot", "one_shot", mgo, MESH)
    edges = read_band_edges(
        semilocal, hybrid, mgo, context("band_edges", edges=semilocal, one_shot=hybrid),
        functional="ddh", exchange_fraction=0.33, screening=0.0,
        dielectric_constant=dielectric.dielectric_constant,
    )  # fmt: skip
    slab = shuffled(mgo_surface.slab)
    surface = mgo_surface.model_copy(update={"slab": slab})
    folder = stub("relax", "slab_relaxation", slab, SLAB_MESH)
    relaxation = read_slab_relaxation(
        folder, slab, context("slab_relaxation", relax=folder), force_tolerance=0.02
    )
    folder = stub("potential", "slab_potential", relaxation.structure, SLAB_MESH)
    potential = read_slab_potential(
        folder,
        relaxation.structure,
        context("slab_potential", static=folder),
        dipole_corrected=False,
    )
    steps = SurfaceSteps(surface, bulk, edges, bulk, potential, dielectric, relaxation)
    result = surface_levels(steps, "x")
    ip, ea = model.expected_levels(["Mg", "O"], mgo.volume, 0.33)
    assert result.failed_checks == []
    assert result.ionization_potential == pytest.approx(ip, abs=5e-4)
    assert result.electron_affinity == pytest.approx(ea, abs=5e-4)
    assert result.ionization_potential_site_potentials == pytest.approx(ip, abs=1e-3)
    assert result.surface_energy == pytest.approx(model.SURFACE_ENERGY * 16.02176634, rel=0.01)
    assert relaxation.converged
    assert 0 < relaxation.predicted_error < 0.05
    assert result.convergence_error == pytest.approx(relaxation.predicted_error, abs=2e-3)
    assert result.level_corrections == {}
    assert 0.01 < relaxation.max_displacement < 0.11
    assert relaxation.structure.site_properties["bulk_site"] == slab.site_properties["bulk_site"]
    assert [s.specie for s in potential.structure] == [s.specie for s in slab]
    assert edges.semilocal_valence_band_maximum == pytest.approx(model.SEMILOCAL_EDGES[0])
    assert edges.is_direct


@pytest.mark.filterwarnings("ignore:No POTCAR file with matching TITEL:UserWarning")
def test_emmet_reads_the_same_from_the_same_files(stub: Stub, mgo: Structure) -> None:
    folder = stub("static", "static", mgo, MESH)
    bulk = read_bulk(folder, mgo, context("bulk", static=folder))
    task = TaskDoc.from_directory(folder)
    assert task.state == "successful"
    assert task.output.energy == pytest.approx(bulk.energy, abs=1e-8)
    assert task.output.bandgap == pytest.approx(bulk.band_gap, abs=1e-6)
    assert np.allclose(task.output.structure.lattice.matrix, bulk.structure.lattice.matrix)
    folder = stub("dfpt", "dielectric", mgo, MESH)
    dielectric = read_dielectric(folder, mgo, context("dielectric", dfpt=folder))
    task = TaskDoc.from_directory(folder)
    assert task.calc_type.name == "PBEsol_Dielectric"
    assert np.allclose(task.calcs_reversed[0].output.epsilon_static, dielectric.dielectric_tensor)
    folder = stub("potential", "slab_potential", mgo, MESH)
    potential = read_slab_potential(
        folder, mgo, context("slab_potential", static=folder), dipole_corrected=False
    )
    task = TaskDoc.from_directory(folder, volumetric_files=["LOCPOT"])
    averages = task.calcs_reversed[0].output.locpot
    assert np.allclose(averages["2"], potential.planar_average, atol=1e-6)


def test_records_say_how_it_was_computed(stub: Stub, mgo: Structure) -> None:
    folder = stub("static", "static", mgo, MESH, NCORE=4, KPAR=2)
    (folder / "custodian.json").write_text(
        json.dumps(
            [
                {
                    "corrections": [
                        {
                            "errors": ["Unconverged"],
                            "actions": [{"dict": "INCAR", "action": {"_set": {"ALGO": "All"}}}],
                            "handler": {"@class": "UnconvergedErrorHandler"},
                        }
                    ]
                }
            ]
        )
    )
    record = read_bulk(folder, mgo, context("bulk", static=folder)).calculation
    assert record.engine == "stub_vasp"
    assert record.xc == "PBEsol"
    assert record.datasets == {"Mg": "PAW_PBE Mg 01Jan2000", "O": "PAW_PBE O 01Jan2000"}
    settings = record.settings["static"]
    assert settings["incar"]["ENCUT"] == 520
    assert not {"NCORE", "KPAR"} & set(settings["incar"])
    assert settings["k_points"] == {"style": "Gamma", "divisions": [4, 4, 4], "shift": [0, 0, 0]}
    assert [c.model_dump() for c in corrections_of(folder, "static")] == [
        {
            "stage": "static",
            "handler": "UnconvergedErrorHandler",
            "errors": ["Unconverged"],
            "actions": ["INCAR: ALGO = All"],
        }
    ]
    assert record.cores == 1
    assert record.peak_memory == pytest.approx(0.05)
    assert json.loads(record.model_dump_json())["settings_hash"] == record.settings_hash


def test_compressed_files_are_read(stub: Stub, mgo: Structure) -> None:
    folder = stub("static", "static", mgo, MESH)
    plain = read_bulk(folder, mgo, context("bulk", static=folder))
    for path in list(folder.iterdir()):
        with gzip.open(f"{path}.gz", "wb") as file:
            file.write(path.read_bytes())
        path.unlink()
    again = read_bulk(folder, mgo, context("bulk", static=folder))
    assert again.energy == plain.energy
    assert again.calculation.settings_hash == plain.calculation.settings_hash


def break_off(path: Path) -> None:
    text = path.read_text()
    path.write_text(text[: int(0.6 * len(text))])


@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        (lambda f: break_off(f / "vasprun.xml"), EngineKilledError, "vasprun.xml cannot be read"),
        (lambda f: (f / "vasprun.xml").unlink(), EngineKilledError, "vasprun.xml is missing"),
        (lambda f: (f / "LOCPOT").unlink(), EngineKilledError, "LOCPOT is missing"),
        (lambda f: break_off(f / "LOCPOT"), EngineKilledError, "LOCPOT cannot be read"),
        (lambda f: break_off(f / "OUTCAR"), EngineKilledError, "breaks off"),
        (lambda f: (f / "OUTCAR").write_text(""), EngineKilledError, "OUTCAR is empty"),
    ],
)
def test_broken_files_are_named(
    stub: Stub,
    mgo_surface: SurfaceDescription,
    damage: Callable[[Path], None],
    error: type[Exception],
    words: str,
) -> None:
    slab = mgo_surface.slab
    folder = stub("potential", "slab_potential", slab, (1, 1, 1))
    damage(folder)
    with pytest.raises(error, match=words):
        read_slab_potential(
            folder, slab, context("slab_potential", static=folder), dipole_corrected=False
        )


def test_a_potential_with_exchange_is_refused(stub: Stub, mgo_surface: SurfaceDescription) -> None:
    folder = stub("p", "slab_potential", mgo_surface.slab, (1, 1, 1), LVHAR=None, LVTOT=True)
    with pytest.raises(EngineError, match="written with LVTOT"):
        read_slab_potential(
            folder,
            mgo_surface.slab,
            context("slab_potential", static=folder),
            dipole_corrected=False,
        )


def test_a_density_that_is_not_settled_is_refused(stub: Stub, mgo: Structure) -> None:
    folder = stub("static", "static", mgo, MESH, NELM=4)
    with pytest.raises(ConvergenceError, match="ended after 4 steps"):
        read_bulk(folder, mgo, context("bulk", static=folder))


def test_a_one_shot_without_wave_functions_is_refused(stub: Stub, mgo: Structure) -> None:
    semilocal = stub("edges", "semilocal", mgo, MESH)
    hybrid = stub("one_shot", "one_shot", mgo, MESH)
    with pytest.raises(EngineError, match="found no wave functions"):
        read_band_edges(
            semilocal, hybrid, mgo, context("band_edges", edges=semilocal, one_shot=hybrid),
            functional="ddh", exchange_fraction=0.33, screening=0.0, dielectric_constant=3.05,
        )  # fmt: skip


def test_a_cell_that_moved_is_refused(stub: Stub, mgo_surface: SurfaceDescription) -> None:
    folder = stub("p", "slab_potential", mgo_surface.slab, (1, 1, 1))
    strained = mgo_surface.slab.copy().apply_strain([0.01, 0.01, 0.0])
    with pytest.raises(EngineError, match="differs by"):
        read_slab_potential(
            folder, strained, context("slab_potential", static=folder), dipole_corrected=False
        )


def test_sites_are_matched_across_the_cell_and_foreign_ones_refused(mgo: Structure) -> None:
    moved = mgo.copy()
    moved.translate_sites([0, 1], [0.999, 0.0, 0.0])
    assert matching_sites(moved, mgo).tolist() == [0, 1]
    assert matching_sites(shuffled(mgo), mgo).tolist() == [1, 0]
    with pytest.raises(EngineError, match="the folder holds"):
        matching_sites(mgo.copy().replace_species({"Mg": "Ca"}), mgo)


def test_the_stub_names_itself_and_can_be_executed() -> None:
    stub_path = Path(model.__file__).parent / "stub_vasp"
    assert os.access(stub_path, os.X_OK)


def test_a_functional_that_only_the_potentials_name_is_known(stub: Stub, mgo: Structure) -> None:
    folder = stub("static", "static", mgo, MESH, GGA="--")
    assert functional_name(Calculation(folder)) == "PBE"
