"""Every quantity in every document has a unit, and the reference page lists them all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from document_reference import reference_page, schemas
from stored_results import failed_result, passed_result

from surfalign.physics.checks import Check
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
    large_fields,
)
from surfalign.stores.query.results import json_record

ROOT = Path(__file__).parents[3]


def without_unit(model: type[Document]) -> list[str]:
    schema = model.model_json_schema()
    return list(numbers_without_unit(schema, schema.get("$defs", {}), ""))


def numbers_without_unit(
    record: dict[str, Any], definitions: dict[str, Any], prefix: str
) -> Iterator[str]:
    """Paths of the numbers in the JSON schema of a record that have no unit, and none beside them."""
    properties = record.get("properties", {})
    for name, part in properties.items():
        leaves = list(leaves_of(part))
        is_number = any(leaf.get("type") == "number" for leaf in leaves)
        if is_number and "unit" not in part and "unit" not in properties:
            yield prefix + name
        for leaf in leaves:
            if reference := leaf.get("$ref"):
                inner = definitions[reference.rpartition("/")[2]]
                yield from numbers_without_unit(inner, definitions, f"{prefix}{name}.")


def leaves_of(part: Any) -> Iterator[dict[str, Any]]:
    """What a field may hold, or its items."""
    inside = [*part.get("anyOf", ()), *part.get("prefixItems", ())]
    inside += [
        part[key] for key in ("items", "additionalProperties") if isinstance(part.get(key), dict)
    ]
    if not inside:
        yield part
    for inner in inside:
        yield from leaves_of(inner)


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
    )
    assert fields["state"].choices == ("passed", "flagged", "failed", "registered")
    assert fields["miller_index"].kind is Kind.VECTOR
    assert fields["timings.cpu_time"].repeated
    assert fields["timings.cpu_time"].unit == "s"
    assert fields["checks.value"].unit == UNIT_IN_RECORD
    assert fields["slab_structure"].kind is Kind.STRUCTURE
    assert fields["created_at"].kind is Kind.TIME
    assert fields["potential.positions"].repeated
    assert not fields["error.step"].repeated
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


def test_a_number_that_is_not_finite_is_null_in_what_is_written_and_in_the_schema() -> None:
    schema = json.loads(schemas()["SurfaceLevelsDocument"])
    check = Check("flat", float("nan"), 0.1, "eV", False, "no plane was found")
    record = json_record(passed_result(checks=[check], surface_energy=float("inf")))
    assert record["checks"][0]["value"] is record["surface_energy"] is None
    jsonschema.validate(record, schema)


def test_the_reference_page_names_every_field_with_its_unit() -> None:
    page = reference_page()

    assert "| `ionization_potential` | number | eV | Vacuum level - VBM |" in page
    assert (
        "| `slab_thickness` | number | angstrom | Distance of the outermost atomic planes |" in page
    )
    assert "| `state` | choice: passed, flagged, failed, registered |" in page
    for model in all_documents():
        if model.__name__.endswith("Document"):
            assert f"## {model.__name__}\n" in page
