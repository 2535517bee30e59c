"""Crystals from remote databases: Materials Project and any OPTIMADE provider."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from surfalign.errors import (
    ConfigurationError,
    InvalidStructureError,
    MissingDependencyError,
    OfflineError,
    UnknownMaterialError,
)

if TYPE_CHECKING:
    from pymatgen.core import Structure

#: Longest wait for an answer (s).
TIMEOUT = 30.0


def materials_project_key() -> str | None:
    """Return the Materials Project API key: ``MP_API_KEY``, else pymatgen's ``PMG_MAPI_KEY``."""
    key = os.environ.get("MP_API_KEY") or os.environ.get("PMG_MAPI_KEY")
    if key:
        return key
    from pymatgen.core import SETTINGS

    return SETTINGS.get("PMG_MAPI_KEY") or None


def fetch_materials_project(identifier: str) -> Structure:
    """Fetch the relaxed structure of a Materials Project id, e.g. ``mp-1265``.

    Raises
    ------
    MissingDependencyError
        mp-api is not installed.
    ConfigurationError
        There is no API key, or it is refused.
    OfflineError
        The server does not answer.
    UnknownMaterialError
        The id does not exist.
    """
    key = materials_project_key()
    if key is None:
        raise ConfigurationError(
            f"{identifier} must be fetched from Materials Project, and there is no API key",
            "a key in the environment variable MP_API_KEY",
            "get a key at https://materialsproject.org/api and export MP_API_KEY=KEY, "
            "or download a CIF and name the file",
        )
    try:
        from mp_api.client import MPRester
        from mp_api.client.core import MPRestError
    except ImportError as error:
        raise MissingDependencyError(
            f"{identifier} must be fetched from Materials Project, and mp-api is not installed",
            "the optional package mp-api",
            "pip install mp-api, or download a CIF and name the file",
        ) from error
    from requests.exceptions import RequestException

    try:
        with MPRester(api_key=key, mute_progress_bars=True) as client:
            structure: Structure | None = client.get_structure_by_material_id(identifier)
    except RequestException as error:
        raise _offline("Materials Project", "api.materialsproject.org", error) from error
    except MPRestError as error:
        if _is_refused_key(str(error)):
            raise ConfigurationError(
                "Materials Project refuses the API key",
                "a valid key in MP_API_KEY",
                "get a key at https://materialsproject.org/api",
            ) from error
        raise _unknown(identifier, "Materials Project", str(error)) from error
    if structure is None:
        raise _unknown(identifier, "Materials Project", "no structure came back")
    return structure


def fetch_optimade(address: str) -> tuple[Structure, str, str]:
    """Fetch one entry of an OPTIMADE provider.

    Parameters
    ----------
    address
        ``PROVIDER/ID`` with a provider known to pymatgen (``mp``, ``cod``, ``oqmd``,
        ``alexandria.pbesol``, ...), or ``https://HOST/PATH/ID``.

    Returns
    -------
    tuple
        The structure, its source string and its citation.
    """
    import requests

    base, identifier, provider = _split_address(address)
    url = f"{base}/v1/structures/{quote(identifier, safe='')}"
    try:
        response = requests.get(
            url, params={"response_format": "json"}, timeout=TIMEOUT, allow_redirects=True
        )
    except requests.RequestException as error:
        raise _offline(f"the OPTIMADE provider {provider}", base, error) from error
    if response.status_code == 404:
        raise _unknown(identifier, f"the OPTIMADE provider {provider}", f"{url} answers 404")
    if not response.ok:
        raise OfflineError(
            f"the OPTIMADE provider {provider} answers with HTTP status {response.status_code}",
            f"an OPTIMADE v1 entry at {url}",
            "try again later, or download a CIF and name the file",
        )
    try:
        entry = response.json().get("data")
    except (ValueError, AttributeError) as error:
        raise InvalidStructureError(
            f"{url} does not answer in JSON", "an OPTIMADE v1 provider", "check the address"
        ) from error
    if not entry:
        raise _unknown(identifier, f"the OPTIMADE provider {provider}", "its answer is empty")
    return optimade_structure(entry), f"optimade:{provider}/{identifier}", url


def optimade_structure(entry: dict[str, Any]) -> Structure:
    """Convert an OPTIMADE structure entry, partial occupancies included.

    pymatgen's own adapter takes every site as fully occupied by its species name; disorder must be
    seen here, so that it can be refused.
    """
    from pymatgen.core import Lattice, Structure

    try:
        attributes = entry["attributes"]
        occupants = {
            item["name"]: {
                symbol: float(part)
                for symbol, part in zip(
                    item["chemical_symbols"], item["concentration"], strict=True
                )
                if symbol != "vacancy"
            }
            for item in attributes["species"]
        }
        return Structure(
            Lattice(attributes["lattice_vectors"]),
            [occupants[name] for name in attributes["species_at_sites"]],
            attributes["cartesian_site_positions"],
            coords_are_cartesian=True,
            to_unit_cell=True,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidStructureError(
            f"the OPTIMADE entry cannot be read: {type(error).__name__} {error}",
            "lattice_vectors, species, species_at_sites and cartesian_site_positions",
            "choose another entry",
        ) from error


def _split_address(address: str) -> tuple[str, str, str]:
    """Split an address into base URL, entry id and the provider's name."""
    if address.startswith(("https://", "http://")):
        base, _, identifier = address.rstrip("/").rpartition("/")
        base = base.removesuffix("/structures").removesuffix("/v1")
        if base.count("/") >= 2 and identifier:
            return base, identifier, base.split("//", 1)[1]
    else:
        from pymatgen.ext.optimade import OptimadeRester

        provider, _, identifier = address.partition("/")
        aliases: dict[str, str] = OptimadeRester.aliases
        if provider not in aliases:
            raise UnknownMaterialError(
                f"{provider!r} is no OPTIMADE provider that is known by name",
                ", ".join(sorted(aliases)),
                "or give its address: optimade:https://HOST/PATH/ID",
            )
        if identifier:
            return aliases[provider].rstrip("/"), identifier, provider
    raise UnknownMaterialError(
        f"optimade:{address} names no entry",
        "optimade:PROVIDER/ID or optimade:https://HOST/PATH/ID",
    )


def _is_refused_key(message: str) -> bool:
    return any(code in message for code in ("401", "403", "Invalid authentication", "API key"))


def _offline(database: str, host: str, error: Exception) -> OfflineError:
    return OfflineError(
        f"{database} cannot be reached ({type(error).__name__} at {host})",
        "a network connection",
        "connect and try again, or use a structure file or the built-in library "
        "(`surfalign crystals`), which need no network",
    )


def _unknown(identifier: str, database: str, detail: str) -> UnknownMaterialError:
    return UnknownMaterialError(
        f"{identifier} was not found in {database} ({detail})", "an existing id", "check the id"
    )
