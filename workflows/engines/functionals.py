"""The functionals of the band edges: their exchange and its range, their names, and the protocols.

A name (``functional`` of the documents) is made of the whole method, so that a query for one name never
returns two methods::

    ddh, hse06, pbe0, pbesol         the engines' own; the density is PBEsol's
    pbe-x0.33, pbe-x0.25-w0.3        a hybrid without a name: fraction, and range in 1/angstrom
    b3lyp, r2scan, optb88-vdw        other functionals
    pbesol+u-Zn5, pbe+d3, ddh+soc    U - J in eV by element, dispersion, spin-orbit coupling
    hse06@pbe+u-Ti3-V3.2             edges @ density, where that is another functional's than PBEsol
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Literal

from surfalign.errors import ConfigurationError
from surfalign.stores.levels import SPIN_ORBIT_ELEMENTS
from surfalign.stores.method_names import hubbard_word
from surfalign.stores.vocabulary import Functional

#: When band edges include spin-orbit coupling; ``heavy``: see :func:`couples_spin_orbit`.
SpinOrbit = Literal["off", "heavy", "on"]


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


#: Hybrids of a name, besides those that the engines compute: base, fraction, screening.
_NAMED = {
    ("pbe", 0.25, 0.0): Functional.PBE0.value,
    ("pbe", 0.25, 0.2): Functional.HSE06.value,
    ("pbe", 0.25, 0.3): "hse03",
    ("pbesol", 0.25, 0.2): "hsesol",
    ("b3", 0.2, 0.0): "b3lyp",
    ("scan", 0.25, 0.0): "scan0",
    ("r2scan", 0.25, 0.0): "r2scan0",
    ("lda", 1.0, 0.0): "hf",
}
#: Fractions of exchange, and ranges (1/angstrom), that differ by less are one.
_SAME_FRACTION, _SAME_RANGE = 1e-3, 0.01
#: A fraction follows from a dielectric constant where it is its inverse to this: both have few digits.
FRACTION_TOLERANCE = 0.02


@dataclass(frozen=True)
class Method:
    """All that makes a functional.

    Parameters
    ----------
    base
        Semilocal functional in lower case, e.g. ``pbesol``, ``r2scan``, ``optb88-vdw``.
    exchange_fraction, screening
        Fraction of exact exchange; its range separation, 1/angstrom.
    kernel
        Word for another kernel of the exchange than the error function's, e.g. ``model``.
    hubbard_u
        Element to U - J, eV.
    dispersion
        Word for a correction of the energy, e.g. ``d3``.
    spin_orbit
        Whether spin-orbit coupling is included.
    """

    base: str
    exchange_fraction: float = 0.0
    screening: float = 0.0
    kernel: str = ""
    hubbard_u: Mapping[str, float] = field(default_factory=dict)
    dispersion: str = ""
    spin_orbit: bool = False

    def label(self, dielectric_constant: float | None = None) -> str:
        """Return the name of this method.

        Parameters
        ----------
        dielectric_constant
            Of the same crystal. Only where the fraction of a global hybrid follows from one it is ``ddh``.
        """
        parts = [
            self._exchange_label(dielectric_constant),
            hubbard_word(self.hubbard_u),
            self.dispersion,
            "soc" if self.spin_orbit else "",
        ]
        return "+".join(part for part in parts if part)

    @property
    def may_be_dielectric_dependent(self) -> bool:
        """Whether this is a global hybrid of PBE whose fraction has no name of its own."""
        known = (self.base, self.screening, self.kernel) == ("pbe", 0.0, "")
        return known and self.exchange_fraction > 0 and self._name() is None

    def follows_from(self, dielectric_constant: float) -> bool:
        """Return whether the fraction of exchange is the inverse of a dielectric constant."""
        return abs(self.exchange_fraction - 1 / dielectric_constant) < FRACTION_TOLERANCE

    def _exchange_label(self, dielectric_constant: float | None) -> str:
        if not self.exchange_fraction:
            return self.base
        if (name := self._name()) is not None:
            return name
        known = dielectric_constant is not None and self.follows_from(dielectric_constant)
        if known and self.may_be_dielectric_dependent:
            return Functional.DDH.value
        label = f"{self.base}-x{self.exchange_fraction:.4g}"
        label += f"-w{self.screening:.3g}" if self.screening else ""
        return f"{label}-{self.kernel}" if self.kernel else label

    def _name(self) -> str | None:
        for (base, fraction, screening), name in _NAMED.items():
            if (
                base == self.base
                and not self.kernel
                and abs(fraction - self.exchange_fraction) < _SAME_FRACTION
                and abs(screening - self.screening) < _SAME_RANGE
            ):
                return name
        return None


def couples_spin_orbit(choice: SpinOrbit, elements: AbstractSet[str]) -> bool:
    """Tell whether band edges are computed with spin-orbit coupling.

    Parameters
    ----------
    choice
        ``off``, ``on``, or ``heavy``: for crystals with elements that split bands noticeably.
    elements
        Symbols of the crystal's elements.
    """
    return choice == "on" or (choice == "heavy" and bool(elements & SPIN_ORBIT_ELEMENTS))


def edges_label(edges: str, density: Method, *, hybrid: bool) -> str:
    """Return the name of band edges against the potential of a density.

    Parameters
    ----------
    edges
        Name of their functional.
    density
        The density's functional; its spin-orbit coupling, and PBEsol itself, are not named.
    hybrid
        Whether the edges are of another functional than the density.
    """
    name = replace(density, spin_orbit=False).label()
    return f"{edges}@{name}" if hybrid and name != Functional.PBESOL.value else edges


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
