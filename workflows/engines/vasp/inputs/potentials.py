"""Which POTCAR file stands for each element, and why.

The set is potpaw_PBE.54 (or .64, which keeps these names): the one that the Materials Project and
atomate2 use today, so users have it. PBE files are used with PBEsol (GGA = PS), as everybody does: VASP
ships no PBEsol ones. The variants are those that VASP recommends for density functional theory:
semicore s and p shells of cations that overlap with O 2s, and the d shell below the valence of
post-transition metals.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pymatgen.core import Structure

from surfalign.errors import MissingDatasetError


@dataclass(frozen=True)
class Potential:
    """A POTCAR file.

    Parameters
    ----------
    symbol
        Its name in the set.
    valence
        Electrons that it treats as valence.
    enmax
        Cut-off that it needs, eV.
    """

    symbol: str
    valence: int
    enmax: float


#: symbol of the file: electrons in its valence.
_VALENCE = {
    "H": 1, "Li_sv": 3, "Be": 2, "B": 3, "C": 4, "N": 5, "O": 6, "F": 7,
    "Na_pv": 7, "Mg": 2, "Al": 3, "Si": 4, "P": 5, "S": 6, "Cl": 7,
    "K_sv": 9, "Ca_sv": 10, "Sc_sv": 11, "Ti_sv": 12, "V_sv": 13, "Cr_pv": 12,
    "Fe_pv": 14, "Cu": 11, "Zn": 12, "Ga_d": 13, "Ge_d": 14, "As": 5, "Se": 6, "Br": 7,
    "Rb_sv": 9, "Sr_sv": 10, "Y_sv": 11, "Zr_sv": 12, "Nb_sv": 13, "Mo_sv": 14,
    "Pd": 10, "Ag": 11, "Cd": 12, "In_d": 13, "Sn_d": 14, "Sb": 5, "Te": 6, "I": 7,
    "Cs_sv": 9, "Ba_sv": 10, "La": 11, "Ce": 12, "Lu_3": 9,
    "Hf_pv": 10, "Ta_pv": 11, "W_sv": 14, "Pt": 10, "Au": 11, "Hg": 12,
    "Tl_d": 13, "Pb_d": 14, "Bi_d": 15, "Th": 12,
}  # fmt: skip
#: ENMAX of potpaw_PBE.54, eV, as VASP's wiki lists them ("Available PAW potentials"), rounded up; those
#: that are not here need less than 325 eV.
_ENMAX = {"Li_sv": 500.0, "C": 400.0, "N": 400.0, "O": 400.0, "F": 400.0}
_ENMAX_OF_OTHERS = 325.0
POTENTIALS = {
    symbol.split("_")[0]: Potential(symbol, valence, _ENMAX.get(symbol, _ENMAX_OF_OTHERS))
    for symbol, valence in _VALENCE.items()
}
#: A cell that is relaxed needs this many times ENMAX: the basis belongs to the cell it starts from.
CELL_FACTOR = 1.3


def potential(element: str) -> Potential:
    """Return the potential of an element.

    Raises
    ------
    MissingDatasetError
        When none is chosen for it.
    """
    if element not in POTENTIALS:
        raise MissingDatasetError(
            f"no POTCAR file is chosen for {element}",
            f"elements among {', '.join(POTENTIALS)}",
            "add it to workflows/engines/vasp/inputs/potentials.py with a reason",
        )
    return POTENTIALS[element]


def potcar_symbols(elements: Iterable[str]) -> dict[str, str]:
    """Return the names of the files of some elements."""
    return {element: potential(element).symbol for element in elements}


def hardest(structure: Structure) -> Potential:
    """Return the potential of a cell that needs the highest cut-off."""
    return max((potential(s.specie.symbol) for s in structure), key=lambda choice: choice.enmax)


def cell_cutoff_notes(structure: Structure, cutoff: float) -> list[str]:
    """Return what is to be noted where a cell is relaxed at a cut-off (eV) below the recommended one."""
    hard = hardest(structure)
    if cutoff >= CELL_FACTOR * hard.enmax:
        return []
    return [
        f"cell_cutoff: the cell was relaxed at {cutoff:g} eV, {cutoff / hard.enmax:.2f} ENMAX of "
        f"{hard.symbol}; VASP recommends {CELL_FACTOR:g}"
    ]


def valence_electrons(structure: Structure) -> int:
    """Return the electrons that a calculation of this cell treats explicitly."""
    return sum(potential(site.specie.symbol).valence for site in structure)
