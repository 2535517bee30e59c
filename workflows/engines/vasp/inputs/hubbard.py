"""Values of U for closed-shell oxides: those that vise, the code of Kumagai and Oba, had until 2021.

vise has dropped most of them since (its commit 1237f90: "Change U values and now +U is not default"; what is
left are Mn, Fe, Co, Ni: 3 eV, Cu, Zn: 5 eV, and 5 eV on f shells). So they are an option here, off unless asked
for, and no part of the published protocol; the hybrid band edges are tuned to none of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HubbardU:
    """A U on one shell.

    Parameters
    ----------
    value
        U - J, eV.
    shell
        Angular momentum: 2 for d, 3 for f.
    """

    value: float
    shell: int


_D_SHELLS = {
    3.0: ("Ti", "V", "Cr", "Zr", "Nb", "Mo", "Pd", "Hf", "Ta", "W", "Pt", "Au"),
    5.0: ("Cu", "Zn", "Ag"),
}
_F_SHELLS = {5.0: ("Ce",)}

#: U by element.
HUBBARD_U = {
    element: HubbardU(value, shell)
    for shell, shells in ((2, _D_SHELLS), (3, _F_SHELLS))
    for value, elements in shells.items()
    for element in elements
}


def hubbard_u(element: str) -> HubbardU | None:
    """Return the U of an element, or None where there is none."""
    return HUBBARD_U.get(element)
