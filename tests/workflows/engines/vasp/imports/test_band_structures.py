"""Band edges are the crystal's, not the mesh's: band structures are used, and what is missed is told."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import stub_vasp_model as model
from pymatgen.core import Structure
from pymatgen.io.vasp import Kpoints
from stub_vasp_calculations import run_stub
from stub_vasp_tree import expected, slab_of

from surfalign.crystals.sources import load_crystal
from surfalign.physics.checks import Check
from surfalign.stores.documents import ResultState, SurfaceLevelsDocument
from surfalign.workflows.engines.vasp.imports.results import read_folders
from surfalign.workflows.engines.vasp.inputs.kpoints import with_zero_weights

pytestmark = pytest.mark.programs

MESH, SHIFTED = (4, 4, 4), Kpoints.monkhorst_automatic((4, 4, 4))
#: W - Gamma - X of the face-centred cubic cell.
LINES = Kpoints(
    comment="bands",
    style=Kpoints.supported_modes.Line_mode,
    num_kpts=9,
    kpts=[[0.5, 0.25, 0.75], [0, 0, 0], [0, 0, 0], [0.5, 0, 0.5]],
    labels=["W", "G", "G", "X"],
    coord_type="Reciprocal",
)
CHECK = "band_edges_edge_sampling"


@pytest.fixture(scope="module")
def mgo_bulk() -> Structure:
    return load_crystal("MgO").structure


@pytest.fixture(scope="module")
def shifted(tmp_path_factory: pytest.TempPathFactory, mgo_bulk: Structure) -> Path:
    """A slab, and a bulk whose mesh does not hold Gamma, where both edges are."""
    root = tmp_path_factory.mktemp("shifted")
    run_stub(root / "bulk", "semilocal", mgo_bulk, SHIFTED)
    run_stub(root / "slab", "slab_potential", slab_of(mgo_bulk, (1, 0, 0), 12.0), (4, 4, 1))
    return root


@pytest.fixture
def group(shifted: Path, tmp_path: Path) -> Path:
    shutil.copytree(shifted, tmp_path / "group")
    return tmp_path / "group"


def bands(folder: Path, structure: Structure, **tags: object) -> Path:
    folder.mkdir()
    (folder / "CHGCAR").write_text("density")
    return run_stub(folder, "static", structure, LINES, ICHARG=11, **tags)


def levels(group: Path) -> SurfaceLevelsDocument:
    (result,) = read_folders([group]).results
    return result.levels


def sampling(found: SurfaceLevelsDocument) -> Check:
    (check,) = [check for check in found.checks if check.name == CHECK]
    return check


def missed() -> tuple[float, float]:
    """How far the edges of the shifted mesh are off, eV: the model's bands at its nearest point."""
    points = np.array([[i, j, k] for i in (1, 3) for j in (1, 3) for k in (1, 3)]) / 8
    bulk = load_crystal("MgO").structure
    crystal = model.Crystal(bulk.lattice.matrix, ["Mg", "O"], bulk.frac_coords)
    f = float(np.cos(2 * np.pi * points @ model.nearest_vectors(crystal).T).mean(axis=1).max())
    return 0.5 * (1 - f), 0.8 * (1 - f)


def test_a_mesh_that_cannot_hold_the_edges_is_told_with_what_it_misses(
    group: Path, mgo_bulk: Structure
) -> None:
    found = levels(group)
    valence, conduction = missed()
    ip, _ = expected(0.0, mgo_bulk.volume)
    assert found.ionization_potential == pytest.approx(ip + valence, abs=1e-3)
    check = sampling(found)
    assert check.value == pytest.approx(conduction, abs=0.02)
    assert "0, 0, 0" in check.reason
    assert found.state is ResultState.FLAGGED
    assert CHECK in found.failed_checks


def test_a_band_structure_of_the_same_potential_sets_the_edges(
    group: Path, mgo_bulk: Structure
) -> None:
    bands(group / "bands", mgo_bulk)
    report = read_folders([group])
    (result,) = report.results
    found = result.levels
    ip, ea = expected(0.0, mgo_bulk.volume)
    assert found.ionization_potential == pytest.approx(ip, abs=1e-3)
    assert found.electron_affinity == pytest.approx(ea, abs=1e-3)
    assert found.state is ResultState.PASSED, found.failed_checks
    assert sampling(found).value < 0.02
    assert [w for w in found.warnings if w.startswith("edges_from_band_structure: VBM 0.07")]
    assert report.unused == []
    assert report.refusals == []


def test_points_of_weight_zero_do_the_same(group: Path, mgo_bulk: Structure) -> None:
    points = with_zero_weights(mgo_bulk, Kpoints.gamma_automatic((3, 3, 3)), [(0.5, 0.0, 0.5)])
    run_stub(group / "zero", "static", mgo_bulk, points)
    found = levels(group)
    assert found.ionization_potential == pytest.approx(expected(0.0, mgo_bulk.volume)[0], abs=1e-3)
    assert CHECK not in found.failed_checks


@pytest.mark.parametrize(
    "what",
    ["another cell", "another functional", "another potential", "other spins", "unconverged"],
)
def test_a_band_structure_of_something_else_changes_nothing(
    what: str, group: Path, mgo_bulk: Structure
) -> None:
    alone = levels(group)
    structure, tags = mgo_bulk, {}
    if what == "another cell":
        structure = mgo_bulk.copy().apply_strain(0.01)
    elif what == "another functional":
        tags = {"GGA": "Pe"}
    elif what == "other spins":
        tags = {"ISPIN": 2}
    elif what == "unconverged":
        tags = {"NELM": 3}
    folder = bands(group / "bands", structure, **tags)
    if what == "another potential":
        text = (folder / "OUTCAR").read_text()
        lines = text.splitlines(keepends=True)
        place = next(i for i, line in enumerate(lines) if "the norm of the test charge" in line) + 1
        lines[place] = "".join(f"{i:8}{-40.0:9.4f}" for i in (1, 2)) + "\n"
        (folder / "OUTCAR").write_text("".join(lines))
    report = read_folders([group])
    (result,) = report.results
    assert result.levels.ionization_potential == alone.ionization_potential
    assert CHECK in result.levels.failed_checks
    assert (folder.resolve() in report.unused) == (what != "unconverged")


def test_hybrid_edges_off_the_mesh_are_told_by_the_semilocal_band_structure(
    group: Path, mgo_bulk: Structure
) -> None:
    tags = {"AEXX": 0.25, "HFSCREEN": 0.2, "ALGO": "Damped", "NELM": 100, "LWAVE": False}
    run_stub(group / "hybrid", "one_shot", mgo_bulk, SHIFTED, **tags)
    bands(group / "bands", mgo_bulk)
    found = levels(group)
    assert found.functional == "hse06"
    assert sampling(found).value == pytest.approx(missed()[1], abs=0.01)
    assert CHECK in found.failed_checks
    points = with_zero_weights(mgo_bulk, Kpoints.gamma_automatic((3, 3, 3)), [(0.5, 0.0, 0.5)])
    run_stub(group / "hybrid with lines", "one_shot", mgo_bulk, points, **tags)
    ip, _ = expected(0.25, mgo_bulk.volume, screened=True, self_consistent=True)
    for result in read_folders([group]).results:
        assert result.levels.ionization_potential == pytest.approx(ip, abs=1e-3)
        assert CHECK not in result.levels.failed_checks


def test_a_single_k_point_cannot_tell_what_it_misses(group: Path, mgo_bulk: Structure) -> None:
    shutil.rmtree(group / "bulk")
    run_stub(group / "bulk", "semilocal", mgo_bulk, (1, 1, 1))
    found = levels(group)
    assert math.isnan(sampling(found).value)
    assert CHECK in found.failed_checks


def test_a_mesh_of_even_divisions_at_gamma_holds_the_edges(
    group: Path, mgo_bulk: Structure
) -> None:
    shutil.rmtree(group / "bulk")
    run_stub(group / "bulk", "semilocal", mgo_bulk, MESH)
    found = levels(group)
    assert sampling(found).value == 0.0
    assert found.state is ResultState.PASSED
