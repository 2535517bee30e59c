"""A group's folders become results: right pairs, refusals with reasons, nothing twice, nothing half."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pymatgen.core import Structure
from stub_vasp_calculations import run_stub
from stub_vasp_tree import expected, make_tree, slab_of

from surfalign.crystals.sources import load_crystal
from surfalign.launchers.campaign.results import bring_up_to_date
from surfalign.stores.database import Database
from surfalign.stores.documents import ResultState
from surfalign.stores.query.results import find
from surfalign.stores.recomputation import can_recompute, recompute
from surfalign.workflows.engines.vasp.imports.results import ImportReport, read_folders
from surfalign.workflows.engines.vasp.imports.storing import store_results

pytestmark = pytest.mark.programs


@pytest.fixture(scope="module")
def mgo_bulk() -> Structure:
    return load_crystal("MgO").structure


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory, mgo_bulk: Structure) -> dict[str, Path]:
    tio2 = load_crystal("TiO2-rutile").structure
    return make_tree(tmp_path_factory.mktemp("group"), run_stub, mgo_bulk, tio2)


@pytest.fixture(scope="module")
def root(tree: dict[str, Path]) -> Path:
    return tree["bulk"].parents[2]


@pytest.fixture(scope="module")
def report(root: Path) -> ImportReport:
    return read_folders([root])


def test_the_right_pairs_are_found(
    report: ImportReport, tree: dict[str, Path], mgo_bulk: Structure
) -> None:
    pairs = {
        (result.pair.slab.directory, result.levels.functional): result for result in report.results
    }
    assert set(pairs) == {
        (tree[slab].resolve(), functional)
        for slab in ("potential", "110")
        for functional in ("ddh", "hse06")
    }
    ip, ea = expected(0.33, mgo_bulk.volume)
    for slab, index in (("potential", (1, 0, 0)), ("110", (1, 1, 0))):
        levels = pairs[tree[slab].resolve(), "ddh"].levels
        assert levels.state is ResultState.PASSED, levels.failed_checks
        assert levels.ionization_potential == pytest.approx(ip, abs=1e-3)
        assert levels.electron_affinity == pytest.approx(ea, abs=1e-3)
        assert levels.ionization_potential_site_potentials == pytest.approx(ip, abs=2e-3)
        assert levels.miller_index == index
        assert levels.termination == "A"
        assert levels.dielectric_constant == pytest.approx(3.05)
        assert levels.relaxed
        assert levels.surface_energy_method == "bulk cell"
        assert levels.surface_energy == pytest.approx(0.05 * 16.02176634, rel=0.02)
    ip, ea = expected(0.25, mgo_bulk.volume, screened=True, self_consistent=True)
    levels = pairs[tree["potential"].resolve(), "hse06"].levels
    assert levels.ionization_potential == pytest.approx(ip, abs=1e-3)
    assert levels.electron_affinity == pytest.approx(ea, abs=1e-3)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("400 eV", "bulk"), "the cut-offs differ: 520 and 400 eV"),
        (("pbe", "bulk"), "the functionals differ: GGA = PS and GGA = PE"),
        (("strained", "bulk"), "in-plane lattice differs by 1.2 %"),
        (("no locpot",), "a slab without LOCPOT"),
        (("truncated",), "vasprun.xml cannot be read to its end"),
        (("killed",), "OUTCAR"),
        (("no bulk",), "no semilocal bulk calculation of TiO2"),
        (("potential", "600 eV hybrid"), "the cut-offs differ: 520 and 600 eV"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(
    report: ImportReport, tree: dict[str, Path], names: tuple[str, ...], words: str
) -> None:
    reasons = {refusal.directories: refusal.reason for refusal in report.refusals}
    assert words in reasons[tuple(tree[name].resolve() for name in names)]


def test_every_folder_is_accounted_for(report: ImportReport, tree: dict[str, Path]) -> None:
    used = {
        c.directory for r in report.results for c in [*r.pair.calculations.values(), r.pair.bulk]
    }
    refused = {d for refusal in report.refusals for d in refusal.directories}
    assert used | refused | set(report.unused) == {folder.resolve() for folder in tree.values()}


def test_the_provenance_names_files_and_checksums(report: ImportReport) -> None:
    result = report.results[0]
    assert set(result.levels.archives) == set(result.levels.provenance)
    for step, (_, document) in result.steps.items():
        archive = document.calculation.archive  # type: ignore[attr-defined]
        assert {f.name.removesuffix(".gz") for f in archive.files} >= {"vasprun.xml", "OUTCAR"}, (
            step
        )
        assert all(len(f.sha256) == 64 for f in archive.files)


def test_a_second_import_adds_nothing_even_of_moved_and_unpacked_files(
    report: ImportReport, tree: dict[str, Path], root: Path, database: Database, tmp_path: Path
) -> None:
    assert store_results(report.results, database) == 4
    before = stored(database)
    assert store_results(report.results, database) == 0
    moved = tmp_path / "moved"
    for name in ("bulk", "ddh", "dielectric", "relaxation", "potential"):
        shutil.copytree(tree[name], moved / name)
    shutil.copytree(tree["potential"], moved / "the same again")
    again = read_folders([moved])
    assert store_results(again.results, database) == 0
    assert stored(database) == before
    found = {(r.miller_index, r.functional) for r in find(database, "engine = stub_vasp")}
    assert found == {((1, 0, 0), "ddh"), ((1, 0, 0), "hse06"),
                     ((1, 1, 0), "ddh"), ((1, 1, 0), "hse06")}  # fmt: skip


def test_an_interrupted_import_leaves_no_result_and_is_completed(
    report: ImportReport, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from surfalign.workflows.engines.vasp.imports import storing

    def broken(result: object) -> dict:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(storing, "_result", broken)
        with pytest.raises(KeyboardInterrupt):
            store_results(report.results, database)
    assert database.surface_levels.count() == 0
    assert database.jobs.count({"output.@class": "SurfaceLevelsDocument"}) == 0
    assert store_results(report.results, database) == 4
    assert database.surface_levels.count() == 4
    counts = [d["uuid"] for d in database.jobs.query({}, ["uuid"])]
    assert len(counts) == len(set(counts))


@pytest.mark.parametrize(
    ("semilocal", "hybrid", "functional", "density"),
    [
        ({}, {"GGA": "B3", "AEXX": 0.2}, "b3lyp", "pbesol"),
        ({"GGA": "Pe", "IVDW": 12}, {"AEXX": 0.33}, "pbe-x0.33@pbe+d3bj", "pbe+d3bj"),
        ({"METAGGA": "R2scan"}, None, "r2scan", "r2scan"),
        ({}, {"AEXX": 0.25, "HFSCREEN": 0.2}, "hse06", "pbesol"),
    ],
)
def test_results_of_an_earlier_version_get_the_name_of_their_whole_method(
    semilocal: dict[str, object], hybrid: dict[str, object] | None, functional: str, density: str,
    mgo_bulk: Structure, database: Database, tmp_path: Path,
) -> None:  # fmt: skip
    slab = slab_of(mgo_bulk, (1, 0, 0), 12.0)
    run_stub(tmp_path / "bulk", "semilocal", mgo_bulk, (4, 4, 4), **semilocal)
    run_stub(tmp_path / "slab", "slab_potential", slab, (4, 4, 1), **semilocal)
    if hybrid:
        tags = {"ALGO": "Damped", "NELM": 100, "LWAVE": False, **hybrid}
        run_stub(tmp_path / "hybrid", "one_shot", mgo_bulk, (4, 4, 4), **tags)
    store_results(read_folders([tmp_path]).results, database)
    (before,) = find(database)
    # As version 0.1 left them.
    jobs = database.jobs._collection
    old = {"output.functional": "ddh" if hybrid else "pbe"}
    gone = {"output.semilocal_functional": ""}
    jobs.update_many({"output.functional": {"$exists": True}}, {"$set": old, "$unset": gone})
    jobs.update_one({"uuid": before.provenance["band_edges"]}, {"$unset": gone})
    jobs.update_one(
        {"output.levels_version": {"$exists": True}}, {"$set": {"output.levels_version": 1}}
    )
    bring_up_to_date(database, compare_all=True, recompute=True)
    (after,) = find(database)
    assert (after.functional, after.semilocal_functional) == (functional, density)
    assert after.identifier == before.identifier
    assert after.ionization_potential == pytest.approx(before.ionization_potential)


def test_imported_results_can_be_computed_again_from_the_store(
    report: ImportReport, database: Database
) -> None:
    store_results(report.results, database)
    for result in database.surface_levels.query():
        steps = {
            step: database.jobs.query_one({"uuid": uuid})["output"]
            for step, uuid in result["provenance"].items()
        }
        assert can_recompute(result, steps)
        again = recompute(result, steps)
        assert again["ionization_potential"] == result["ionization_potential"]
        assert again["surface_energy_method"] == "bulk cell"


def stored(database: Database) -> list[tuple[str, str]]:
    jobs = [(d["uuid"], d["completed_at"]) for d in database.jobs.query()]
    results = [(d["identifier"], str(d["created_at"])) for d in database.surface_levels.query()]
    return sorted(jobs) + sorted(results)


def test_an_exchange_fraction_that_is_not_that_of_the_dielectric_constant_is_noted(
    tree: dict[str, Path], mgo_bulk: Structure, tmp_path: Path
) -> None:
    for name in ("bulk", "dielectric", "potential"):
        shutil.copytree(tree[name], tmp_path / name)
    run_stub(
        tmp_path / "half", "one_shot", mgo_bulk, (4, 4, 4),
        AEXX=0.5, ALGO="Damped", NELM=100, LWAVE=False,
    )  # fmt: skip
    (result,) = read_folders([tmp_path]).results
    assert result.levels.exchange_fraction == 0.5
    assert [w for w in result.levels.warnings if w.startswith("exchange_fraction_differs")]
    assert [w for w in result.levels.warnings if w.startswith("relaxation_unknown")]
    assert not result.levels.relaxed


def test_a_relaxation_that_was_stopped_is_refused(
    tree: dict[str, Path], mgo_bulk: Structure, tmp_path: Path
) -> None:
    slab = tmp_path / "110"
    shutil.copytree(tree["110"], slab)
    with (slab / "OUTCAR").open("a") as file:
        file.write(" soft stop encountered!  aborting job ...\n")
    (refusal,) = read_folders([tmp_path]).refusals
    assert "without converging" in refusal.reason


def test_one_odd_folder_does_not_stop_the_others(tree: dict[str, Path], tmp_path: Path) -> None:
    for name in ("bulk", "potential", "110"):
        shutil.copytree(tree[name], tmp_path / name)
    (tmp_path / "110" / "INCAR").write_bytes(b"NELM = a few\n\xff\xfe = 3\n")
    report = read_folders([tmp_path])
    assert len(report.results) == 1
    (refusal,) = report.refusals
    assert refusal.directories == ((tmp_path / "110").resolve(),)
    assert "cannot be read" in refusal.reason
