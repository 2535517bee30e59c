"""Screening, shapes and junctions by the REST interface: what their pages show, as plain values."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from surfalign.launchers.web.access import Store
from surfalign.launchers.web.answers import unless_known
from surfalign.launchers.web.decisions import junctions, screening, shapes
from surfalign.launchers.web.prediction_process import PredictionProcess
from surfalign.stores.screening.report import as_json, formula_record
from surfalign.stores.shapes.records import phases_record, shape_record


class ScreeningAnswer(BaseModel):
    """Surfaces ranked by the probability that they meet a rule; energies in eV."""

    rule: dict[str, Any] = Field(description="The rule")
    terms: dict[str, Any] = Field(description="What was chosen of it")
    levels: dict[str, float] = Field(description="What edges are compared with (eV against vacuum)")
    edge_shift: float = Field(description="How far the edges were moved up (eV)")
    notes: list[str] = Field(description="What a reader must know")
    methods: dict[str, int] = Field(description="Methods of the levels of all surfaces")
    surfaces: list[dict[str, Any]] = Field(
        description="The most probable ones: probability, levels with their errors, conditions, and the reason "
        "why the values miss the rule"
    )
    formulas: list[dict[str, Any]] = Field(
        description="Best, worst and area-weighted surface of each"
    )
    left_out: list[dict[str, str]] = Field(description="The first that were left out, and why")
    number: int = Field(description="Surfaces that were screened")
    likely: int = Field(description="Those that meet the rule more probably than not")
    left_out_reasons: dict[str, int] = Field(description="How many were left out, by reason")


class ShapeAnswer(BaseModel):
    """An equilibrium shape; surface energies in J/m^2, levels in eV."""

    formula: str
    space_group_number: int
    methods: list[str]
    mean_surface_energy: float = Field(description="Over the area (J/m^2)")
    ionization_potential: dict[str, float] | None = Field(
        description="mean and spread over the area (eV)"
    )
    electron_affinity: dict[str, float] | None = Field(
        description="mean and spread over the area (eV)"
    )
    temperature: float = Field(description="Of the weights of terminations (K)")
    terminations: list[dict[str, Any]] = Field(description="With their shares in the area")
    missing: list[dict[str, Any]] = Field(description="Orientations without a result")
    left_out: dict[str, list[str]] = Field(description="Surfaces that do not count, by reason")
    faces: list[dict[str, Any]] = Field(description="Index, normal and corners of each face")
    oxygen: list[dict[str, Any]] = Field(
        description="For each orientation with reduced or oxidised slabs: which is stable in which range of the "
        "chemical potential of oxygen (eV)"
    )


class JunctionAnswer(BaseModel):
    """Junctions by Anderson's rule; energies in eV."""

    methods: list[str] = Field(description="Of the levels")
    number: int = Field(description="Junctions, those that are not listed included")
    junctions: list[dict[str, Any]] = Field(
        description="first, second, type, offsets of the second against the first with their errors, and the "
        "probability of each type"
    )


_Limit = Annotated[int, Query(ge=1, le=screening.MOST, description="Most that are listed")]


def routes(store: Store, process: PredictionProcess) -> APIRouter:
    """Return the addresses below the prefix of the interface."""
    router = APIRouter()

    @router.get("/screen/{rule}", response_model=ScreeningAnswer)
    def screen(
        request: Request,
        rule: Annotated[str, Path(max_length=200, description="Name of a rule")],
        chosen: Annotated[screening.Choice, Depends(screening.choice)],
        limit: _Limit = 100,
    ) -> Response:
        """Rank the surfaces that a query matches by a rule; what the rule does not ask for is passed over."""
        with store.reading(request) as reader:
            made = screening.ranking(reader, replace(chosen, rule=rule), process, limit)
        counted = {
            "methods": made.methods,
            "formulas": [formula_record(row) for row in made.formulas[:limit]],
            "left_out": [{"name": name, "reason": reason} for name, reason in made.left_out],
            "number": made.number,
            "likely": made.likely,
            "left_out_reasons": made.reasons,
        }
        return _json(request, as_json(made.screening) | counted)

    @router.get("/shapes/{name}", response_model=ShapeAnswer)
    def shape(
        request: Request,
        name: Annotated[str, Path(max_length=200, description="Of the library, or of a result")],
        chosen: shapes.Chosen,
    ) -> Response:
        """Return the equilibrium shape of a crystal from its stored surfaces."""
        with store.reading(request) as reader:
            found = shapes.selection(reader, name, chosen)
        oxygen = [phases_record(made) for made in shapes.phases_of(found)]
        return _json(request, shape_record(shapes.shape_of(found, chosen)) | {"oxygen": oxygen})

    @router.get("/junctions", response_model=JunctionAnswer)
    def junction(request: Request, chosen: junctions.Chosen, limit: _Limit = 100) -> Response:
        """Return the junction of two surfaces, or the best partners of the first."""
        with store.reading(request) as reader:
            made = junctions.junctions(reader, chosen, limit)
        answer = {"methods": made.methods, "number": made.number, "junctions": made.records}
        return _json(request, answer)

    return router


def _json(request: Request, content: Any) -> Response:
    text = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return unless_known(request, text.encode(), "application/json")
