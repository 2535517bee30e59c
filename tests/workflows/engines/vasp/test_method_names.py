"""What the engine computes carries the name of its whole method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jobflow import Flow, JobStore
from maggma.stores import MemoryStore

from surfalign.crystals.sources import load_crystal
from surfalign.launchers.local.run_flow import run_flow
from surfalign.workflows.engines.functionals import Method, edges_label
from surfalign.workflows.engines.vasp.makers import vasp_engine
from surfalign.workflows.engines.vasp.stored_method import with_todays_name


@pytest.mark.programs
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("stub_engine")
@pytest.mark.parametrize(
    ("crystal", "functional", "options", "label", "density"),
    [
        ("MgO", "hse06", {}, "hse06", "pbesol"),
        ("MgO", "hse06", {"hubbard_u": True}, "hse06", "pbesol"),
        ("ZnO", "hse06", {"hubbard_u": True}, "hse06@pbesol+u-Zn5", "pbesol+u-Zn5"),
        ("ZnO", "pbesol", {"hubbard_u": True}, "pbesol+u-Zn5", "pbesol+u-Zn5"),
        ("MgO", "ddh", {"spin_orbit": "on"}, "ddh+soc", "pbesol+soc"),
        ("MgO", "pbesol", {"spin_orbit": "on"}, "pbesol+soc", "pbesol+soc"),
    ],
)
def test_band_edges_carry_the_name_of_their_whole_method(
    crystal: str,
    functional: str,
    options: dict[str, Any],
    label: str,
    density: str,
    tmp_path: Path,
) -> None:
    maker = vasp_engine("quick", functional=functional, **options).band_edges_maker
    job = maker.make(load_crystal(crystal).structure, 3.05)
    store = JobStore(MemoryStore())
    store.connect()
    assert run_flow(Flow([job]), store, tmp_path / "runs", reuse=False) == []
    output = store.query_one({"uuid": job.uuid})["output"]  # type: ignore[index]
    assert (output["functional"], output["semilocal_functional"]) == (label, density)
    # As version 0.1 named it, and as it is named when a result is built anew.
    earlier = {**output, "functional": functional}
    del earlier["semilocal_functional"]
    renewed = with_todays_name({"band_edges": earlier, "dielectric": {"dielectric_constant": 3.05}})
    assert renewed["band_edges"] == output


@pytest.mark.parametrize(
    ("method", "constant", "label"),
    [
        (Method("pbe", 0.25, 0.208), None, "hse06"),
        (Method("pbe", 0.25, 0.3), None, "hse03"),
        (Method("pbe", 0.25), 4.0, "pbe0"),
        (Method("pbe", 0.33), 3.05, "ddh"),
        (Method("pbe", 0.33, spin_orbit=True), 3.05, "ddh+soc"),
        (Method("pbesol", 0.33), 3.05, "pbesol-x0.33"),
        (Method("pbe", 0.33, 0.2), 3.05, "pbe-x0.33-w0.2"),
        (Method("pbe", 0.33, kernel="model"), 3.05, "pbe-x0.33-model"),
        (Method("b3", 0.2), 5.0, "b3lyp"),
        (Method("b3", 0.2, 0.2), 5.0, "b3-x0.2-w0.2"),
        (Method("pbe", hubbard_u={"V": 3.25, "Ti": 3.0}), None, "pbe+u-Ti3-V3.25"),
        (Method("pbe", 0.25, 0.2, hubbard_u={"Ce": 4.5}), None, "hse06+u-Ce4.5"),
        (Method("pbe", hubbard_u={"Ti": 3.0}, dispersion="d3"), None, "pbe+u-Ti3+d3"),
    ],
)
def test_names_tell_methods_apart(method: Method, constant: float | None, label: str) -> None:
    assert method.label(constant) == label


def test_the_density_is_named_where_it_is_another_than_pbesol() -> None:
    pbe, pbesol = Method("pbe", spin_orbit=True), Method("pbesol", spin_orbit=True)
    assert edges_label("hse06+soc", pbe, hybrid=True) == "hse06+soc@pbe"
    assert edges_label("hse06+soc", pbesol, hybrid=True) == "hse06+soc"
    assert edges_label("pbe+soc", pbe, hybrid=False) == "pbe+soc"
