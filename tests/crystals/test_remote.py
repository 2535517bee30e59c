"""Remote databases, with doubles of their clients: no test touches the network."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
import requests
from pymatgen.core import Lattice, Structure

from surfalign.crystals import remote
from surfalign.crystals.sources import load_crystal
from surfalign.errors import (
    ConfigurationError,
    InvalidStructureError,
    MissingDependencyError,
    OfflineError,
    PartialOccupancyError,
    UnknownMaterialError,
)

ZNO = Structure(
    Lattice.hexagonal(3.25, 5.207),
    ["Zn2+", "Zn2+", "O2-", "O2-"],
    [[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0.5], [1 / 3, 2 / 3, 0.382], [2 / 3, 1 / 3, 0.882]],
)


class StubRestError(Exception):
    """Stands for mp-api's MPRestError."""


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MP_API_KEY", "a" * 32)


def install_stub_mp_api(
    monkeypatch: pytest.MonkeyPatch, answer: Structure | Exception | None
) -> list[str]:
    """Put a double of mp-api into place; return the list of ids it was asked for."""
    asked: list[str] = []

    class StubRester:
        def __init__(self, api_key: str, **options: object) -> None:
            assert api_key == "a" * 32

        def __enter__(self) -> StubRester:
            return self

        def __exit__(self, *details: object) -> None:
            pass

        def get_structure_by_material_id(self, material_id: str) -> Structure | None:
            asked.append(material_id)
            if isinstance(answer, Exception):
                raise answer
            return answer

    package, client, core = (
        ModuleType(name) for name in ("mp_api", "mp_api.client", "mp_api.client.core")
    )
    client.MPRester = StubRester  # type: ignore[attr-defined]
    core.MPRestError = StubRestError  # type: ignore[attr-defined]
    for module in (package, client, core):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return asked


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("target", ["mp-2133", "mp:mp-2133", "MP-2133"])
def test_materials_project_ids(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    asked = install_stub_mp_api(monkeypatch, ZNO)
    crystal = load_crystal(target)
    assert asked == ["mp-2133"]
    assert crystal.source == "mp:mp-2133"
    assert crystal.formula == "ZnO"
    assert crystal.space_group_symbol == "P6_3mc"
    assert crystal.default_orientation is None
    assert "mp-2133" in crystal.citation
    assert all(not hasattr(site.specie, "oxi_state") for site in crystal.structure)


@pytest.mark.usefixtures("key")
def test_mp_api_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mp_api", None)
    with pytest.raises(MissingDependencyError, match="pip install mp-api"):
        load_crystal("mp-2133")


def test_the_api_key_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "materials_project_key", lambda: None)
    with pytest.raises(ConfigurationError, match="MP_API_KEY"):
        load_crystal("mp-2133")


def test_the_key_is_found_where_pymatgen_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import pymatgen.core

    for name in ("MP_API_KEY", "PMG_MAPI_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pymatgen.core, "SETTINGS", {})
    assert remote.materials_project_key() is None
    monkeypatch.setattr(pymatgen.core, "SETTINGS", {"PMG_MAPI_KEY": "b" * 32})
    assert remote.materials_project_key() == "b" * 32
    monkeypatch.setenv("MP_API_KEY", "c" * 32)
    assert remote.materials_project_key() == "c" * 32


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (requests.ConnectionError("no route"), OfflineError, "Materials Project cannot be reached"),
        (requests.Timeout("slow"), OfflineError, "built-in library"),
        (StubRestError("status code 401: Invalid authentication"), ConfigurationError, "refuses"),
        (StubRestError("material_id not found"), UnknownMaterialError, "mp-2133 was not found"),
        (None, UnknownMaterialError, "mp-2133 was not found"),
    ],
)
def test_failures_of_materials_project_are_named(
    monkeypatch: pytest.MonkeyPatch,
    answer: Exception | None,
    error: type[Exception],
    message: str,
) -> None:
    install_stub_mp_api(monkeypatch, answer)
    with pytest.raises(error, match=message) as raised:
        load_crystal("mp-2133")
    assert "a" * 32 not in str(raised.value), "the key must not be shown"


# --- OPTIMADE --------------------------------------------------------------------------------


def optimade_entry(concentration: float = 1.0) -> dict[str, Any]:
    return {
        "id": "1000",
        "type": "structures",
        "attributes": {
            "lattice_vectors": ZNO.lattice.matrix.tolist(),
            "species_at_sites": ["zinc", "zinc", "O", "O"],
            "cartesian_site_positions": ZNO.cart_coords.tolist(),
            "species": [
                {
                    "name": "zinc",
                    "chemical_symbols": ["Zn", "vacancy"],
                    "concentration": [concentration, 1.0 - concentration],
                },
                {"name": "O", "chemical_symbols": ["O"], "concentration": [1.0]},
            ],
        },
    }


class StubResponse:
    """Stands for an answer of requests."""

    def __init__(self, content: object, status: int = 200) -> None:
        self.content, self.status_code, self.ok = content, status, status < 400

    def json(self) -> object:
        if self.content is None:
            raise ValueError("not JSON")
        return self.content


def answer_with(monkeypatch: pytest.MonkeyPatch, answer: StubResponse | Exception) -> list[str]:
    asked: list[str] = []

    def get(url: str, **options: object) -> StubResponse:
        assert options["timeout"]
        asked.append(url)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(requests, "get", get)
    return asked


@pytest.mark.parametrize(
    ("target", "url", "source"),
    [
        (
            "optimade:mp/mp-2133",
            "https://optimade.materialsproject.org/v1/structures/mp-2133",
            "optimade:mp/mp-2133",
        ),
        (
            "optimade:cod/1000",
            "https://www.crystallography.net/cod/optimade/v1/structures/1000",
            "optimade:cod/1000",
        ),
        (
            "optimade:https://example.org/api/v1/structures/a%20b",
            "https://example.org/api/v1/structures/a%2520b",
            "optimade:example.org/api/a%20b",
        ),
    ],
)
def test_optimade_entries(
    monkeypatch: pytest.MonkeyPatch, target: str, url: str, source: str
) -> None:
    asked = answer_with(monkeypatch, StubResponse({"data": optimade_entry()}))
    crystal = load_crystal(target)
    assert asked == [url]
    assert crystal.source == source
    assert crystal.citation == url
    assert crystal.formula == "ZnO"
    assert crystal.space_group_number == 186


def test_disorder_of_optimade_entries_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, StubResponse({"data": optimade_entry(0.9)}))
    with pytest.raises(PartialOccupancyError, match=r"Zn:0\.9"):
        load_crystal("optimade:cod/1000")


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (requests.ConnectionError("no route"), OfflineError, "provider cod cannot be reached"),
        (StubResponse({}, 404), UnknownMaterialError, "1000 was not found"),
        (StubResponse({}, 503), OfflineError, "HTTP status 503"),
        (StubResponse(None), InvalidStructureError, "does not answer in JSON"),
        (StubResponse([]), InvalidStructureError, "does not answer in JSON"),
        (StubResponse({"data": None}), UnknownMaterialError, "its answer is empty"),
        (StubResponse({"data": {"attributes": {}}}), InvalidStructureError, "KeyError 'species'"),
    ],
)
def test_failures_of_optimade_are_named(
    monkeypatch: pytest.MonkeyPatch,
    answer: StubResponse | Exception,
    error: type[Exception],
    message: str,
) -> None:
    answer_with(monkeypatch, answer)
    with pytest.raises(error, match=message):
        load_crystal("optimade:cod/1000")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("optimade:nobody/1", "'nobody' is no OPTIMADE provider"),
        ("optimade:cod", "names no entry"),
        ("optimade:cod/", "names no entry"),
        ("optimade:https://example.org", "names no entry"),
    ],
)
def test_addresses_that_name_nothing(target: str, message: str) -> None:
    with pytest.raises(UnknownMaterialError, match=message):
        load_crystal(target)
