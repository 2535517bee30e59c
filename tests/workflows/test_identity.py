"""What identifies a step, a plan and a method: written out, for stores and queues hold it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path

import pytest
import toy_engine
from jobflow import Maker, job
from plans import write_plan
from pymatgen.core import Structure

from surfalign.crystals.sources import load_crystal
from surfalign.errors import ConfigurationError
from surfalign.hashing import hash_of
from surfalign.stores.documents import BandEdgesDocument, BulkDocument
from surfalign.workflows.engines.engine import Engine
from surfalign.workflows.engines.gpaw.makers import GpawBulkMaker, gpaw_engine
from surfalign.workflows.engines.gpaw.settings import QUICK, GpawSettings
from surfalign.workflows.engines.vasp.inputs.settings import VaspSettings
from surfalign.workflows.engines.vasp.makers import vasp_engine
from surfalign.workflows.flows import BandAlignmentMaker, SurfacesMaker, surface_jobs
from surfalign.workflows.identity import content_uuid, identify
from surfalign.workflows.planning.plan_file import read_plan
from surfalign.workflows.surface_jobs import describe_surfaces

#: Uuids of the steps of MgO(100)-A at quick quality.
UUIDS = {
    "gpaw": {
        "bulk": "ee978b17-51a1-5fc8-90e8-734768397d2b",
        "dielectric": "103be191-8812-5a4c-b888-7d58659061d6",
        "band edges": "cd4e8e97-10e0-56c2-9608-370d514c08a2",
        "surfaces": "30a5b48a-1db2-5bbc-957a-2d92b12067ac",
        "oriented bulk": "30060503-1501-5977-a19a-526f09e631c2",
        "slab relaxation": "29e41a0f-9b9b-59d5-828f-d1a155ae9f50",
        "alignment": "ddc5cc61-3122-58f7-900f-f3332e4b2de2",
    },
    # quick was 400 eV until 0.3, below ENMAX of Li_sv: its results are new calculations, on purpose
    "vasp": {
        "bulk": "848aac00-a8bb-587e-804d-ef12c5629243",
        "dielectric": "b8aac502-ff52-5a9f-86bc-e7536a7998e5",
        "band edges": "080dad9e-da85-5fef-a9b9-ba0459682c20",
        "surfaces": "b3402424-384e-5225-a4df-68d590b8ab6b",
        "oriented bulk": "566a2139-9d95-5985-9373-d3c2248b2ee9",
        "slab relaxation": "2c0585cb-795d-54c1-8ebd-7f9029787e81",
        "slab potential": "f9a416fa-81d4-53f3-b774-f1e1572be2db",
        "alignment": "53f0d796-ed4a-5226-bce9-2921fedc7984",
    },
    "toy": {
        "bulk": "350532c0-08cf-52a0-9640-b896fc53a9e1",
        "dielectric": "5f9010cf-12ac-5e86-a00e-e71911fe330e",
        "band edges": "da6185e2-8bd5-54ac-8fe9-a329dde51fae",
        "surfaces": "566e9a12-a5a1-55bf-a989-017ab9a4c237",
        "oriented bulk": "7a590f05-04d6-5053-835b-a6111f7ed82a",
        "slab relaxation": "d13c306f-efd2-5d8b-8647-c951b8b27f49",
        "slab potential": "3838a607-925e-52c7-984a-ad47b4fc33c8",
        "alignment": "29a57a1b-397e-51f0-bad8-8fe31165db6b",
    },
}
ENGINES: dict[str, Callable[[], Engine]] = {
    "gpaw": lambda: gpaw_engine("quick"),
    "vasp": lambda: vasp_engine("quick"),
    "toy": toy_engine.toy_engine,
}
METHODS = {
    "gpaw": "dc94d8b7-fcb0-5feb-9135-054945a254a4",
    "vasp": "c3fdf5b4-ae87-5ce3-ba88-dbc6fff9ef0e",
    "toy": "7bdcf752-d4f9-5a3f-a759-3ada4612cb38",
}


@pytest.fixture(scope="module")
def mgo() -> Structure:
    return load_crystal("MgO").structure


def uuids(engine: Engine, structure: Structure) -> dict[str, str]:
    """Uuids of all steps of a surface by their names, as if the bulk step returned what it was given."""
    steps = BandAlignmentMaker(engine=engine, miller_indices=[(1, 0, 0)]).make(structure).jobs
    (surface,) = describe_surfaces(
        structure,
        source="",
        miller_indices=[(1, 0, 0)],
        max_index=None,
        slab_thickness=engine.slab_thickness,
        vacuum_thickness=engine.vacuum_thickness,
    )
    bulk = BulkDocument.model_construct(structure=structure)
    edges = BandEdgesDocument.model_construct(functional="ddh")
    names = ("bulk", "dielectric", "band_edges")
    provenance = {name: step.uuid for name, step in zip(names, steps, strict=False)}
    steps = [*steps, *surface_jobs(engine, surface, bulk, edges, None, provenance, relax_slab=True)]
    return {step.metadata["step"]: step.uuid for step in steps}


@pytest.mark.parametrize("engine", ENGINES)
def test_uuids_stay_as_they_are(engine: str, mgo: Structure) -> None:
    # A change here makes every stored result of this engine a new calculation.
    assert uuids(ENGINES[engine](), mgo) == UUIDS[engine]
    assert content_uuid("method", ENGINES[engine](), True) == METHODS[engine]


def test_the_published_protocol_stays_the_same_calculation() -> None:
    methods = {
        quality: content_uuid("method", vasp_engine(quality), True)
        for quality in ("standard", "converged")
    }
    assert methods == {
        "standard": "3610996c-b21a-5393-b93d-7238693b35b9",
        "converged": "a9a2d42a-65fb-5e35-8604-82ce4cb73c9b",
    }


def test_an_option_that_came_later_counts_only_where_it_is_set(mgo: Structure) -> None:
    plain, same = vasp_engine(), vasp_engine(one_shot="Eigenval")
    other = vasp_engine(one_shot="Subrot")
    assert uuids(plain, mgo) == uuids(same, mgo)
    assert not set(uuids(other, mgo).values()) & set(uuids(plain, mgo).values())
    settings = plain.bulk_maker.settings  # type: ignore[attr-defined]
    assert "one_shot" not in settings.numerical()
    assert VaspSettings.from_dict(settings.as_dict()) == settings
    set_settings = other.bulk_maker.settings  # type: ignore[attr-defined]
    assert set_settings.numerical()["one_shot"] == "Subrot"
    assert VaspSettings.from_dict(set_settings.as_dict()) == set_settings


def test_identifiers_of_a_plan_stay_as_they_are(tmp_path: Path) -> None:
    plan = list(read_plan(write_plan(tmp_path / "plan.jsonl")))
    assert {crystal.formula: crystal.key for crystal, _ in plan} == {
        "MgO": "af68972782660559",
        "SrO": "d06fad14d5b30eda",
    }
    assert {surface.name: surface.identifier for _, group in plan for surface in group} == {
        "MgO(100)-A": "87f15b174fa147dd",
        "MgO(110)-A": "20581a13aa31a665",
        "SrO(100)-A": "402094730e367e92",
        "SrO(110)-A": "adb7572cab77a700",
    }


def test_hashes_of_settings_stay_as_they_are() -> None:
    assert hash_of({"cutoff": 400.0, "k_points": [2, 2, 1]}) == (
        "63fcef328109ce8d04259032e177e1e3a1d9a4035b7e9ea4c452867f13a871a3"
    )
    assert hash_of(QUICK.numerical()) == (
        "bb593b34a23e6e03ceffdefde63a87b0e5893740c5405b5a33cfdead69117492"
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_where_code_lies_is_no_part_of_an_identity(
    engine: str, mgo: Structure, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ENGINES[engine]()
    makers = [value for value in vars(made).values() if isinstance(value, Maker)]
    for kind in {SurfacesMaker, Engine, GpawSettings, VaspSettings, *map(type, makers)}:
        package = kind.__module__.partition(".")[0]
        monkeypatch.setattr(kind, "__module__", f"{package}.moved.elsewhere")
    assert uuids(made, mgo) == UUIDS[engine]
    assert content_uuid("method", made, True) == METHODS[engine]


def test_a_setting_is_part_of_an_identity(mgo: Structure) -> None:
    given = GpawBulkMaker(settings=QUICK)
    relaxing = GpawBulkMaker(settings=QUICK, equation_of_state=True)
    kept = GpawBulkMaker(settings=QUICK, name="another name for people")
    assert content_uuid(given, mgo) == content_uuid(kept, mgo) != content_uuid(relaxing, mgo)


def test_a_field_that_a_library_adds_makes_no_new_calculation() -> None:
    def library(*added: tuple[str, type, object]) -> type[Maker]:
        fields = [("precision", str, field(default="normal"))]
        fields += [(name, kind, field(default=value)) for name, kind, value in added]
        made = make_dataclass("Library", fields, bases=(Maker,))
        made.__module__ = "library.makers"
        return made

    def ours(base: type[Maker]) -> type[Maker]:
        own = [("tolerance", float, field(default=0.1))]
        made = make_dataclass("Ours", own, bases=(base,), namespace={"stable_name": "ours.step"})
        made.__module__ = "ours.makers"
        return made

    before, after = ours(library()), ours(library(("added", int, 0)))
    assert content_uuid(before()) == content_uuid(after())
    for settings in ({"added": 1}, {"precision": "high"}, {"tolerance": 0.2}):
        assert content_uuid(after(**settings)) != content_uuid(after())


def test_a_structure_and_its_dictionary_are_the_same(mgo: Structure) -> None:
    charged = mgo.copy().add_oxidation_state_by_guess()
    assert content_uuid(mgo) == content_uuid(mgo.as_dict())
    assert content_uuid(charged) == content_uuid(charged.as_dict()) != content_uuid(mgo)


def test_a_maker_without_a_stable_name_is_refused(mgo: Structure) -> None:
    @dataclass
    class Nameless(Maker):
        name: str = "nameless"

        @job
        def make(self, structure: Structure) -> float:
            return structure.volume

    with pytest.raises(ConfigurationError, match="Nameless has no stable name"):
        identify(Nameless().make(mgo), mgo)


def test_what_cannot_be_identified_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="object is part of what identifies a step"):
        content_uuid(object())
