"""Folders as other people leave them: each is used, or named with its reason; none ends an import."""

from __future__ import annotations

import gzip
import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stub_vasp_model as model
from odd_folders import KINDS, MESH, SLAB_MESH, calculations, odd_tree
from pymatgen.core import Structure
from stub_vasp_calculations import run_stub
from stub_vasp_tree import expected, slab_of

from surfalign.crystals.sources import load_crystal
from surfalign.stores.documents import ResultState
from surfalign.workflows.engines.vasp.imports import documents
from surfalign.workflows.engines.vasp.imports.results import ImportReport, read_folders
from surfalign.workflows.engines.vasp.running.corrections import corrections_of

pytestmark = pytest.mark.programs

Group = Callable[..., Path]


@pytest.fixture(scope="module")
def mgo_bulk() -> Structure:
    return load_crystal("MgO").structure


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, mgo_bulk: Structure) -> Path:
    """A bulk and a slab that fit together."""
    root = tmp_path_factory.mktemp("good")
    run_stub(root / "bulk", "semilocal", mgo_bulk, MESH)
    run_stub(root / "slab", "slab_potential", slab_of(mgo_bulk, (1, 0, 0), 12.0), SLAB_MESH)
    return root


@pytest.fixture
def group(good: Path, tmp_path: Path) -> Path:
    shutil.copytree(good, tmp_path / "group")
    return tmp_path / "group"


def reasons(report: ImportReport) -> dict[str, str]:
    return {
        " and ".join(d.name for d in refusal.directories): refusal.reason
        for refusal in report.refusals
    }


# --- files beside the results ----------------------------------------------------------------

OLD = [{"corrections": [{"errors": ["tet"], "actions": []}], "job": {}}]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(OLD), "", "[", "null", "{}", '["text"]', '[{"corrections": ["text"]}]',
        json.dumps([{"corrections": [{"handler": "TetHandler", "errors": None, "actions": ["text"]}]}]),
        json.dumps([{"corrections": [{"handler": {}, "errors": [], "actions": [{"action": "run"}]}]}]),
    ],
)  # fmt: skip
def test_no_log_of_custodian_ends_an_import(text: str, group: Path) -> None:
    (group / "slab" / "custodian.json").write_text(text)
    report = read_folders([group])
    assert reasons(report) == {}
    assert len(report.results) == 1


@pytest.mark.parametrize("handler", [{"@class": "VaspErrorHandler"}, "VaspErrorHandler", None])
def test_what_custodian_corrected_is_read_from_old_and_compressed_logs(
    handler: Any, tmp_path: Path
) -> None:
    entry = {"handler": handler, "errors": ["tet"], "actions": [{"dict": "INCAR", "action": {"_set": {"ISMEAR": 0}}}]}  # fmt: skip
    with gzip.open(tmp_path / "custodian.json.gz", "wt") as file:
        json.dump([{"corrections": [entry]}], file)
    (correction,) = corrections_of(tmp_path, "static")
    assert correction.handler == ("VaspErrorHandler" if handler else "custodian")
    assert (correction.errors, correction.actions) == (["tet"], ["INCAR: ISMEAR = 0"])


# --- calculations of another kind ------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"LCHIMAG": True}, "LCHIMAG: chemical shifts"),
        ({"LCALCEPS": True}, "LCALCEPS: the response to finite electric fields"),
        ({"EFIELD": 0.1}, "EFIELD: an applied electric field"),
        ({"ML_LMLFF": True}, "ML_LMLFF: a machine-learned force field"),
        ({"ALGO": "GW0"}, "ALGO = GW0: many-body"),
        ({"ALGO": "G0W0"}, "ALGO = G0W0: many-body"),
        ({"ALGO": "Chi"}, "ALGO = CHI: many-body"),
        ({"NELM": 1}, "ended after 1 steps"),
        ({"NELM": 1, "ALGO": "Eigenval"}, "nothing says that they were read"),
        ({"IBRION": 6}, "molecular dynamics or phonons"),
        ({"IBRION": 0, "NSW": 3}, "molecular dynamics or phonons"),
    ],
)
def test_runs_of_another_kind_are_refused_by_name(
    tags: dict[str, object], words: str, group: Path, mgo_bulk: Structure
) -> None:
    run_stub(group / "odd", "static", mgo_bulk, MESH, **tags)
    report = read_folders([group])
    assert words in reasons(report)["odd"]
    assert len(report.results) == 1


def test_a_semilocal_pair_of_single_iterations_is_no_result(
    tmp_path: Path, mgo_bulk: Structure
) -> None:
    run_stub(tmp_path / "bulk", "semilocal", mgo_bulk, MESH, NELM=1)
    slab = slab_of(mgo_bulk, (1, 0, 0), 12.0)
    run_stub(tmp_path / "slab", "slab_potential", slab, SLAB_MESH, NELM=1)
    report = read_folders([tmp_path])
    assert report.results == []
    assert set(reasons(report)) == {"bulk", "slab"}


def test_a_slab_at_fixed_density_is_refused(group: Path, mgo_bulk: Structure) -> None:
    (group / "other").mkdir()
    (group / "other" / "CHGCAR").write_text("density")
    slab = slab_of(mgo_bulk, (1, 0, 0), 14.0)
    run_stub(group / "other", "slab_potential", slab, SLAB_MESH, ICHARG=11)
    assert "fixed density" in reasons(read_folders([group]))["other"]


def test_a_file_without_forces_or_energy_is_refused_with_its_folder(group: Path) -> None:
    for name, pattern in (("forces", r'<varray name="forces" >.*?</varray>'),
                          ("energy", r"<energy>.*?</energy>")):  # fmt: skip
        shutil.copytree(group / "bulk", group / name)
        path = group / name / "vasprun.xml"
        path.write_text(re.sub(pattern, "", path.read_text(), flags=re.DOTALL))
    report = read_folders([group])
    found = reasons(report)
    assert "holds no forces" in found["forces"]
    assert "holds no total energy" in found["energy"]
    assert len(report.results) == 1


# --- whatever nobody foresaw -----------------------------------------------------------------


def test_an_exception_that_nobody_foresaw_costs_one_pair(
    group: Path, mgo_bulk: Structure, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stub(group / "slab 2", "slab_potential", slab_of(mgo_bulk, (1, 1, 0), 12.0), SLAB_MESH)
    read = documents.slab

    def odd(pair: Any) -> Any:
        if pair.slab.directory.name == "slab 2":
            raise RuntimeError("nobody foresaw this")
        return read(pair)

    monkeypatch.setattr(documents, "slab", odd)
    report = read_folders([group])
    assert len(report.results) == 1
    assert "nobody foresaw this" in reasons(report)["slab 2 and bulk"]


@pytest.mark.parametrize("what", ["LDAUU of another length", "potentials without titles"])
def test_files_that_cannot_be_compared_are_a_reason(what: str, group: Path) -> None:
    path = group / "slab" / "vasprun.xml"
    text = path.read_text()
    if what.startswith("LDAUU"):
        text = text.replace("</incar>", '<i type="logical" name="LDAU"> T </i>'
                            '<v name="LDAUU"> a few </v></incar>')  # fmt: skip
    else:
        text = text.replace("PAW_PBE Mg 01Jan2000", "")
    path.write_text(text)
    report = read_folders([group])
    assert report.results == []
    assert len(report.refusals) == 1


def test_of_a_tree_of_odd_folders_each_one_is_named(tmp_path: Path, mgo_bulk: Structure) -> None:
    made = calculations(tmp_path / "elsewhere", mgo_bulk)
    folders = odd_tree(tmp_path / "odd", 4 * len(KINDS), made, random.Random(11))
    report = read_folders([tmp_path / "odd"])
    named = {d for refusal in report.refusals for d in refusal.directories} | set(report.unused)
    for result in report.results:
        named |= {c.directory for c in result.pair.calculations.values()}
        ip, _ = expected(0.0, mgo_bulk.volume)
        assert result.levels.ionization_potential == pytest.approx(ip, abs=2e-3) or (
            result.levels.state is ResultState.FLAGGED
        )
    assert named >= {folder.resolve() for folder in folders}
    assert len(report.refusals) > 2 * len(KINDS)


def test_a_changed_table_of_potentials_at_the_cores_is_refused_at_once(group: Path) -> None:
    # One expression for the whole table, as pymatgen has it, would look for its end for ever.
    path = group / "slab" / "OUTCAR"
    text = path.read_text()
    place = text.index("norm of the test charge")
    path.write_text(text[:place] + text[place:].replace(" 9 ", " x ", 1))
    assert "8 potentials at the cores" in reasons(read_folders([group]))["slab and bulk"]


# --- links -----------------------------------------------------------------------------------


def test_folders_that_are_links_are_followed_once_and_circles_end(
    good: Path, tmp_path: Path
) -> None:
    root = tmp_path / "group"
    root.mkdir()
    (root / "bulk").symlink_to(good / "bulk")
    (root / "launch").symlink_to(good / "slab")
    (root / "launch again").symlink_to(good / "slab")
    (root / "up").symlink_to(root)
    (root / "to itself").symlink_to("to itself")
    (root / "to nothing").symlink_to("nowhere")
    report = read_folders([root])
    assert len(report.results) == 1
    assert reasons(report) == {}


# --- pairs of different methods --------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"METAGGA": "R2scan"}, "METAGGA = R2SCAN"),
        ({"LUSE_VDW": True}, "LUSE_VDW = True"),
        ({"AGGAC": 0.0}, "AGGAC = 0.0"),
        ({"LUSE_VDW": True, "AGGAC": 0.0, "GGA": "BO"}, "GGA = BO, LUSE_VDW = True, AGGAC = 0.0"),
        ({"IVDW": 11}, "dispersion = d3"),
        ({"LVDW": True}, "dispersion = d2"),
        ({"LDAU": True, "LDAUU": [3.0, 0.0], "LDAUJ": [0.0, 0.0], "LDAUL": [2, -1]}, "U = {'Mg': 3.0}"),
    ],
)  # fmt: skip
def test_a_bulk_by_another_method_than_its_slab_is_refused(
    tags: dict[str, object], words: str, group: Path, mgo_bulk: Structure
) -> None:
    shutil.rmtree(group / "bulk")
    run_stub(group / "bulk", "semilocal", mgo_bulk, MESH, **tags)
    report = read_folders([group])
    assert report.results == []
    reason = reasons(report)["slab and bulk"]
    assert "the functionals differ" in reason
    assert words in reason


@pytest.mark.parametrize(
    ("semilocal", "hybrid", "label", "density"),
    [
        ({}, {"GGA": "B3", "AEXX": 0.2}, "b3lyp", "pbesol"),
        ({}, {"AEXX": 0.33}, "pbe-x0.33", "pbesol"),
        ({}, {"AEXX": 0.25, "HFSCREEN": 0.2}, "hse06", "pbesol"),
        ({}, {"AEXX": 0.25, "HFSCREEN": 0.2, "METAGGA": "R2scan"}, "r2scan-x0.25-w0.2", "pbesol"),
        ({"GGA": "Pe"}, {"AEXX": 0.25, "HFSCREEN": 0.2}, "hse06@pbe", "pbe"),
        ({"GGA": "Pe", "IVDW": 12}, {"AEXX": 0.25}, "pbe0@pbe+d3bj", "pbe+d3bj"),
        ({"GGA": "Pe"}, None, "pbe", "pbe"),
    ],
)
def test_results_carry_the_name_of_their_whole_method(
    semilocal: dict[str, object],
    hybrid: dict[str, object] | None,
    label: str,
    density: str,
    tmp_path: Path,
    mgo_bulk: Structure,
) -> None:
    run_stub(tmp_path / "bulk", "semilocal", mgo_bulk, MESH, **semilocal)
    slab = slab_of(mgo_bulk, (1, 0, 0), 12.0)
    run_stub(tmp_path / "slab", "slab_potential", slab, SLAB_MESH, **semilocal)
    if hybrid is not None:
        tags = {"ALGO": "Damped", "NELM": 100, "LWAVE": False} | hybrid
        run_stub(tmp_path / "hybrid", "one_shot", mgo_bulk, MESH, **tags)
    (result,) = read_folders([tmp_path]).results
    assert result.levels.functional == label
    assert label in result.levels.identifier
    assert result.levels.semilocal_functional == density


def test_a_dielectric_tensor_that_cannot_be_used_is_a_note(
    group: Path, mgo_bulk: Structure
) -> None:
    run_stub(group / "dfpt", "dielectric", mgo_bulk, MESH)
    tags = {"ALGO": "Damped", "NELM": 100, "LWAVE": False, "AEXX": 0.33}
    run_stub(group / "hybrid", "one_shot", mgo_bulk, MESH, **tags)
    (result,) = read_folders([group]).results
    assert result.levels.functional == "ddh"
    path = group / "dfpt" / "vasprun.xml"
    path.write_text(path.read_text().replace('name="epsilon"', 'name="epsilon_ion"'))
    (result,) = read_folders([group]).results
    assert result.levels.functional == "pbe-x0.33"
    assert result.levels.ionization_potential == pytest.approx(
        model.expected_levels(["Mg", "O"], mgo_bulk.volume, 0.33, self_consistent=True)[0], abs=1e-3
    )
    notes = [w.partition(":")[0] for w in result.levels.warnings]
    assert {"dielectric_unusable", "exchange_fraction_unexplained"} <= set(notes)
    assert "dielectric" not in result.steps


def test_a_symmetric_slab_with_its_middle_held_passes_and_one_with_a_face_held_says_so(
    group: Path, mgo_bulk: Structure
) -> None:
    shutil.rmtree(group / "slab")
    for name, share in (("middle", 0.25), ("bottom", None)):
        slab = slab_of(mgo_bulk, (1, 0, 0), 12.0)
        heights = slab.cart_coords[:, 2] - slab.cart_coords[:, 2].mean()
        held = abs(heights) < share * 12 if share else heights < -2
        slab.add_site_property("selective_dynamics", [[not h] * 3 for h in held])
        run_stub(group / name, "slab_relaxation", slab, SLAB_MESH, LVHAR=True)
    results = {r.pair.slab.directory.name: r.levels for r in read_folders([group]).results}
    ip, _ = expected(0.0, mgo_bulk.volume)
    for name, note in (("middle", "inner_layers_held"), ("bottom", "one_side_held")):
        assert results[name].ionization_potential == pytest.approx(ip, abs=2e-3)
        assert [w for w in results[name].warnings if w.startswith(note)]
    assert results["middle"].state is ResultState.PASSED, results["middle"].failed_checks
