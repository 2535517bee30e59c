"""A flow computes the surfaces that were asked for, also where relaxing the bulk changes their names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
import toy_engine
from jobflow import JobStore, job
from moved_crystals import bilayers, gallia
from pymatgen.core import Structure

from surfalign.crystals.sources import load_crystal
from surfalign.errors import TerminationError
from surfalign.launchers.local.run_flow import run_flow
from surfalign.stores.documents import BulkDocument
from surfalign.workflows.planning.plan_file import crystal_flow
from surfalign.workflows.surface_jobs import describe_surfaces
from surfalign.workflows.wanted_surfaces import checked_maker

NAME = "Ga2O3(100)-B-GaO2/Ga"
OWN_NAME = "Ga2O3(100)-B-O2/Ga"
WHERE = {"source": "file:Ga2O3", "slab_thickness": 12.5, "vacuum_thickness": 15.0}


@dataclass
class MovingBulkMaker(toy_engine.ToyBulkMaker):
    """Relaxes the atoms of Ga2O3."""

    stable_name: ClassVar[str] = "toy.moving_bulk"
    name: str = "moving bulk"

    @job(output_schema=BulkDocument)
    def make(self, structure: Structure) -> BulkDocument:
        document: BulkDocument = toy_engine.ToyBulkMaker.make.original(self, gallia(relaxed=True))
        return document


@pytest.mark.parametrize("name", [NAME, "Ga2O3(100)-C-O2/Ga-2"])
def test_a_flow_finds_a_surface_by_its_name_before_relaxation(
    store: JobStore, tmp_path: Path, name: str
) -> None:
    engine = replace(toy_engine.toy_engine(), bulk_maker=MovingBulkMaker())
    flow = crystal_flow(gallia(relaxed=False), "file:Ga2O3", [(name, (1, 0, 0))], engine)
    assert run_flow(flow, store, tmp_path) == []
    (result,) = store.query({"output.@class": "SurfaceLevelsDocument"})
    assert result["output"]["surface_name"] == name


def test_the_result_says_how_the_relaxed_crystal_would_call_it() -> None:
    given, relaxed = gallia(relaxed=False), gallia(relaxed=True)
    where = WHERE | {"miller_indices": [(1, 0, 0)], "max_index": None}
    (before,) = describe_surfaces(given, **where)
    (after,) = describe_surfaces(relaxed, given=given, **where)
    assert (before.name, after.name) == (NAME, NAME)
    assert after.identifier == before.identifier
    assert after.termination_label == "O2/Ga"
    assert not before.crystal_notes
    assert after.crystal_notes[0].endswith(f"would be called {OWN_NAME}")
    assert after.slab != before.slab
    # All surfaces up to an index keep their names too.
    every = describe_surfaces(
        relaxed, given=given, **WHERE | {"miller_indices": None, "max_index": 1}
    )
    assert NAME in {surface.name for surface in every}
    assert OWN_NAME not in {surface.name for surface in every}


def test_a_crystal_with_other_sites_than_before_has_names_of_its_own() -> None:
    where = WHERE | {"miller_indices": [(1, 0, 0)], "max_index": None}
    (after,) = describe_surfaces(
        gallia(relaxed=True), given=gallia(relaxed=False) * (1, 1, 2), **where
    )
    assert after.name == OWN_NAME


def test_gaps_that_relaxation_closes_are_named() -> None:
    where = WHERE | {"miller_indices": [(0, 0, 1)], "max_index": None}
    with pytest.raises(
        TerminationError, match=r"closed the gaps of MgO\(001\)-A-1, MgO\(001\)-A-2"
    ):
        describe_surfaces(bilayers(0.005), given=bilayers(0.245), **where)


def test_a_corrugated_surface_beside_a_planar_one_can_be_asked_for_by_name(tmp_path: Path) -> None:
    file = tmp_path / "Ga2O3.cif"
    gallia(relaxed=False).to(filename=str(file))
    name = "Ga2O3(100)-C-O2/Ga-1"
    maker = checked_maker(load_crystal(str(file)), toy_engine.toy_engine(), surface_names=[name])
    assert maker.surface_names == [name]
