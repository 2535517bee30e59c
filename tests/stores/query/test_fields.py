"""Every quantity in every document has a unit, and the reference page lists them all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest
from document_reference import reference_page, schemas
from stored_results import failed_result, passed_result

from surfalign.stores.documents import (
    BandEdgesDocument,
    Document,
    SurfaceLevelsDocument,
    Tensor3,
    quantity,
)
from surfalign.stores.query.fields import (
    UNIT_IN_RECORD,
    FieldDescription,
    Kind,
    all_documents,
    describe,
    holds_floats,
    large_fields,
)
from surfalign.stores.query.results import json_record

ROOT = Path(__file__).parents[3]


def without_unit(model: type[Document]) -> list[str]:
    return [
        path
        for path, field in describe(model).items()
        if holds_floats(model, path) and field.unit is None
    ]


@pytest.mark.parametrize("model", all_documents(), ids=lambda model: model.__name__)
def test_every_float_has_a_unit(model: type[Document]) -> None:
    assert without_unit(model) == []


@dataclass(frozen=True)
class Weighed:
    weight: float


@dataclass(frozen=True)
class Measured:
    value: float
    unit: str


class Inner(Document):
    depth: list[float]


class Careless(Document):
    good: float = quantity("eV", "With a unit")
    bad: float
    optional: float | None
    listed: list[float]
    tensor: Tensor3
    table: dict[str, float]
    weighed: list[Weighed]
    measured: Measured
    inner: Inner | None


def test_a_forgotten_unit_is_found_however_deep() -> None:
    assert without_unit(Careless) == [
        "bad",
        "optional",
        "listed",
        "tensor",
        "table",
        "weighed.weight",
        "inner.depth",
    ]
    assert describe(Careless)["measured.value"].unit == UNIT_IN_RECORD


def test_describe() -> None:
    fields = describe(SurfaceLevelsDocument)

    assert fields["ionization_potential"] == FieldDescription(
        path="ionization_potential",
        kind=Kind.NUMBER,
        unit="eV",
        description="Vacuum level - VBM",
        optional=True,
    )
    assert fields["state"].choices == ("passed", "flagged", "failed")
    assert fields["miller_index"].kind is Kind.VECTOR
    assert fields["timings.cpu_time"].repeated
    assert fields["timings.cpu_time"].unit == "s"
    assert fields["checks.value"].unit == UNIT_IN_RECORD
    assert fields["slab_structure"].kind is Kind.STRUCTURE
    assert fields["created_at"].kind is Kind.TIME
    assert not fields["potential.positions"].optional
    assert describe(BandEdgesDocument)["is_direct"].kind is Kind.BOOLEAN


def test_large_fields_are_structures_and_curves() -> None:
    assert large_fields(SurfaceLevelsDocument) == [
        "bulk_structure",
        "slab_structure",
        "unrelaxed_slab_structure",
        "potential",
    ]


def test_the_reference_page_is_up_to_date() -> None:
    """Remake it: make schema."""
    assert (ROOT / "docs" / "reference" / "documents.md").read_text() == reference_page()


def test_the_json_schemas_in_the_repository_are_those_of_the_documents() -> None:
    """Remake them: make schema."""
    kept = {file.stem: file.read_text() for file in ROOT.glob("docs/reference/schema/*.json")}
    assert kept == schemas()


@pytest.mark.parametrize("result", [passed_result(), failed_result()], ids=["passed", "failed"])
def test_a_result_that_is_written_follows_its_json_schema(result: SurfaceLevelsDocument) -> None:
    schema = json.loads(schemas()["SurfaceLevelsDocument"])
    jsonschema.validate(json_record(result), schema)
    with pytest.raises(jsonschema.ValidationError, match="'large' is not valid"):
        jsonschema.validate(json_record(result) | {"band_gap": "large"}, schema)


def test_the_reference_page_names_every_field_with_its_unit() -> None:
    page = reference_page()

    assert "| `ionization_potential` | number | eV | Vacuum level - VBM |" in page
    assert (
        "| `slab_thickness` | number | angstrom | Distance of the outermost atomic planes |" in page
    )
    assert "| `state` | choice: passed, flagged, failed |" in page
    for model in all_documents():
        if model.__name__.endswith("Document"):
            assert f"## {model.__name__}\n" in page
