"""The U values of the school (Oba, Kumagai; as in their code vise), for closed-shell oxides.

They are an option: the hybrid band edges are tuned to none of them.
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
    """Return the U of an element, or None where the school uses none."""
    return HUBBARD_U.get(element)
