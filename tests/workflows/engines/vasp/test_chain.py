"""From a crystal to a queried result through FireWorks, custodian, VASP's files and the store.

The stand-in for VASP is a process of its own, so every number has gone through the files that VASP writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import stub_vasp_model as model

from surfalign.crystals.sources import load_crystal
from surfalign.launchers.local.run_crystals import run_crystals
from surfalign.stores.blobs import load_array, open_blobs
from surfalign.stores.builders import SurfaceLevelsBuilder
from surfalign.stores.database import Database
from surfalign.stores.documents import ResultState, SlabPotentialDocument
from surfalign.stores.query.results import find, get
from surfalign.workflows.engines.vasp.makers import vasp_engine
from surfalign.workflows.flows import BandAlignmentMaker

# Custodian, pymatgen and FireWorks warn of much that is none of ours.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def launchpad(
    database: Database, server_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[object]:
    fireworks = pytest.importorskip("fireworks")
    pad = fireworks.LaunchPad(
        host=server_uri, uri_mode=True, name=f"{database.name}_fireworks", strm_lvl="CRITICAL"
    )
    pad.reset("", require_password=False)
    (tmp_path / "launches").mkdir()
    monkeypatch.chdir(tmp_path / "launches")
    yield pad
    pad.connection.close()


def test_the_analytic_levels_come_back_through_fireworks_store_and_query(
    database: Database, launchpad: object, stub_engine: Path
) -> None:
    from fireworks.core.rocket_launcher import rapidfire
    from jobflow.managers.fireworks import flow_to_workflow

    for failure in ("bulk.nbands", "hybrid.killed", "slab_relaxation.zbrent"):
        (stub_engine / failure).touch()
    crystal = load_crystal("MgO")
    flow = BandAlignmentMaker(engine=vasp_engine("quick"), miller_indices=[(1, 0, 0)]).make(
        crystal.structure, crystal.source
    )
    launchpad.add_wf(flow_to_workflow(flow, store=database.jobs))  # type: ignore[attr-defined]
    rapidfire(launchpad, nlaunches=0, sleep_time=0, strm_lvl="CRITICAL")
    states = {f["state"] for f in launchpad.fireworks.find({}, {"state": 1})}  # type: ignore[attr-defined]
    assert states == {"COMPLETED"}
    database.jobs.connect()
    SurfaceLevelsBuilder(database.jobs, database.surface_levels).run()
    (found,) = find(database, "formula = MgO and functional = ddh")
    result = get(database, found.identifier)
    assert result.state is ResultState.PASSED, result.failed_checks
    assert result.bulk_structure is not None
    fraction = model.ddh_fraction()
    ip, ea = model.expected_levels(["Mg", "O"], result.bulk_structure.volume, fraction)
    assert result.exchange_fraction == fraction
    assert result.ionization_potential == pytest.approx(ip, abs=1e-3)
    assert result.electron_affinity == pytest.approx(ea, abs=1e-3)
    assert result.ionization_potential_site_potentials == pytest.approx(ip, abs=1e-3)
    assert result.engine == "stub_vasp"  # never called VASP in a result
    assert list(stub_engine.iterdir()) == []
    texts = [" ".join([c.stage, *c.errors, *c.actions]) for c in result.corrections]
    for words in (("bulk", "too_few_bands", "NBANDS"), ("band_edges one_shot", "Interrupted"),
                  ("slab_relaxation relax", "zbrent", "CONTCAR copied to POSCAR")):  # fmt: skip
        assert any(all(word in text for word in words) for text in texts), texts
    for step, path in result.archives.items():
        assert list(Path(path).glob("*/OUTCAR.gz")), step
        assert not list(Path(path).glob("*/WAVECAR*")), step
    output = database.jobs.query_one({"uuid": result.provenance["slab_potential"]})
    assert output is not None
    potential = SlabPotentialDocument.model_validate(output["output"])
    with open_blobs() as store:
        grid = load_array(potential.calculation.arrays[0], store)
    assert grid.mean(axis=(0, 1)) == pytest.approx(potential.planar_average, abs=1e-4)


def test_a_step_that_fails_for_good_is_stored_as_failed_and_mended_later(
    database: Database, stub_engine: Path, tmp_path: Path
) -> None:
    failure = stub_engine / "slab_potential.segfault"
    failure.write_text("always")
    maker = BandAlignmentMaker(engine=vasp_engine("quick"), miller_indices=[(1, 0, 0)])
    crystal = load_crystal("MgO")
    run_crystals([maker], [crystal], database, tmp_path / "runs")
    (failed,) = find(database, "formula = MgO")
    assert failed.state is ResultState.FAILED
    assert failed.error is not None
    assert failed.error.error == "EngineKilledError"
    assert failed.error.step == "slab potential"
    assert "static" in failed.error.message
    assert failed.ionization_potential is None
    failure.unlink()
    run_crystals([maker], [crystal], database, tmp_path / "runs")
    (mended,) = find(database, "formula = MgO")
    assert mended.state is ResultState.PASSED
