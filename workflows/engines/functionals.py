"""The functionals of the band edges: their exchange and its range, and the protocols that use them."""

from __future__ import annotations

from dataclasses import dataclass

from surfalign.errors import ConfigurationError
from surfalign.stores.vocabulary import Functional


@dataclass(frozen=True)
class Hybrid:
    """A hybrid functional.

    Parameters
    ----------
    exchange_fraction
        Fraction of exact exchange; None where the dielectric constant sets it.
    screening
        Range separation, 1/angstrom; 0 for a global hybrid.
    """

    exchange_fraction: float | None
    screening: float


#: HSE06 is defined by omega = 0.11 / bohr (Krukau et al., doi 10.1063/1.2404663).
HSE06_SCREENING = 0.208

#: Functional of the band edges to the hybrid; PBEsol has none.
HYBRIDS: dict[str, Hybrid | None] = {
    Functional.DDH.value: Hybrid(None, 0.0),
    Functional.HSE06.value: Hybrid(0.25, HSE06_SCREENING),
    Functional.PBE0.value: Hybrid(0.25, 0.0),
    Functional.PBESOL.value: None,
}


@dataclass(frozen=True)
class Protocol:
    """A published way from a crystal to its levels.

    All steps but the band edges are the same (PBEsol): the density of the slab is semilocal in either,
    so one slab calculation serves both.

    Parameters
    ----------
    name
        As on the command line.
    functional
        Functional of the band edges.
    reference
        Where it is published.
    """

    name: str
    functional: str
    reference: str


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("jacs2024", Functional.DDH.value, "doi 10.1021/jacs.3c13574"),
        Protocol("hse06", Functional.HSE06.value, "doi 10.1063/1.2404663"),
    )
}


def protocol(name: str) -> Protocol:
    """Return the protocol of a name.

    Raises
    ------
    ConfigurationError
        When there is no such protocol.
    """
    if name not in PROTOCOLS:
        raise ConfigurationError(
            f"there is no protocol '{name}'", f"one of {', '.join(PROTOCOLS)}", "choose one of them"
        )
    return PROTOCOLS[name]


def hybrid_of(functional: str) -> Hybrid | None:
    """Return the hybrid of a functional's name; None for ``pbesol``.

    Raises
    ------
    ConfigurationError
        When there is no such functional.
    """
    if functional not in HYBRIDS:
        raise ConfigurationError(
            f"there is no functional '{functional}'",
            f"one of {', '.join(HYBRIDS)}",
            "choose one of them",
        )
    return HYBRIDS[functional]


def exchange_fraction(functional: str, dielectric_constant: float | None) -> float:
    """Return the fraction of exact exchange of a functional.

    For ``ddh`` it is the inverse dielectric constant, rounded to two significant digits as in
    J. Am. Chem. Soc. 146, 9697 (2024), doi 10.1021/jacs.3c13574.

    Raises
    ------
    ConfigurationError
        When ``ddh`` has no dielectric constant above one, or the functional is unknown.
    """
    hybrid = hybrid_of(functional)
    if hybrid is None:
        return 0.0
    if hybrid.exchange_fraction is not None:
        return hybrid.exchange_fraction
    if dielectric_constant is None or dielectric_constant <= 1:
        raise ConfigurationError(
            f"the dielectric constant of a ddh calculation is {dielectric_constant}",
            "a number above 1",
            "compute it first, with the engine's dielectric maker",
        )
    return float(f"{1 / dielectric_constant:.2g}")
