"""The two published ways from a crystal to its levels, by name.

All steps but the band edges are the same (PBEsol): the density of the slab is semilocal in either, so
one slab calculation serves both.
"""

from __future__ import annotations

from dataclasses import dataclass

from surfalign.errors import ConfigurationError
from surfalign.stores.documents import Functional


@dataclass(frozen=True)
class Protocol:
    """A named protocol.

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
