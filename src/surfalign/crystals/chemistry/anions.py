"""The anion of a crystal, and the charge that its atoms carry together, bonds between them considered.

The anion is oxygen where there is any, otherwise the most electronegative element. The other elements
are left to the balance of charges (:mod:`~surfalign.crystals.chemistry.oxidation`), which finds the
further anions of an oxynitride, an oxysulfide or an oxyhalide among them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from surfalign.errors import InvalidStructureError, UnknownAnionError

if TYPE_CHECKING:
    from pymatgen.core import Structure

#: Charge of each anion that this package has rules for, e.
ANION_CHARGES = {
    "N": -3, "O": -2, "F": -1,
    "P": -3, "S": -2, "Cl": -1,
    "As": -3, "Se": -2, "Br": -1,
    "Te": -2, "I": -1,
}  # fmt: skip
#: What compounds of each anion are called.
ANION_NAMES = {
    "N": "nitride", "O": "oxide", "F": "fluoride",
    "P": "phosphide", "S": "sulfide", "Cl": "chloride",
    "As": "arsenide", "Se": "selenide", "Br": "bromide",
    "Te": "telluride", "I": "iodide",
}  # fmt: skip
#: Anions without rules: their bonds to one another are too many to count charges by.
UNKNOWN_ANIONS = {
    "H": "a hydride", "B": "a boride", "C": "a carbide", "Si": "a silicide",
    "Ge": "a germanide", "Sn": "a stannide", "Sb": "an antimonide", "Bi": "a bismuthide",
}  # fmt: skip

#: Two anions closer than this share a pair of electrons, angstrom. Measured bonds: O-O 1.45-1.55 in
#: peroxides, N-N 1.40-1.49, P-P 2.15-2.30, S-S 2.02-2.18, As-As 2.40-2.55, Se-Se 2.30-2.50, Te-Te 2.70-2.90.
ANION_BONDS = {
    "O": 1.70, "N": 1.60, "P": 2.45, "S": 2.35, "As": 2.70, "Se": 2.65, "Te": 3.05,
}  # fmt: skip
#: Below these they share more: superoxides (O-O 1.28-1.35); N=N (1.17-1.25) and triple N-N bonds (1.10).
SUPEROXIDE_BOND, DOUBLE_NITROGEN_BOND, TRIPLE_NITROGEN_BOND = 1.40, 1.35, 1.15


@dataclass(frozen=True)
class Anions:
    """The atoms of the anion in a cell.

    Parameters
    ----------
    element
        Symbol.
    charge
        Of all of them together, e.
    n_bonds
        Number of bonds between them: peroxides, disulfides, azides.
    n_superoxides
        Number of superoxide ions.
    """

    element: str
    charge: int
    n_bonds: int = 0
    n_superoxides: int = 0

    @property
    def name(self) -> str:
        """``oxide``, ``sulfide``, ..."""
        return ANION_NAMES[self.element]


def find_anions(structure: Structure) -> Anions:
    """Find the anion and count its charge.

    Raises
    ------
    UnknownAnionError
        The anion is one without rules (carbides, hydrides, antimonides, ...).
    InvalidStructureError
        There is no anion: an element, or nothing but metals.
    """
    formula = structure.composition.reduced_formula
    element = main_anion({site.specie.symbol for site in structure}, formula)
    atoms = [index for index, site in enumerate(structure) if site.specie.symbol == element]
    charge = ANION_CHARGES[element] * len(atoms)
    if element not in ANION_BONDS:
        return Anions(element, charge)
    first, second, _, distances = structure.get_neighbor_list(
        ANION_BONDS[element], exclude_self=True
    )
    # Every bond is listed from both of its ends.
    bonds = np.sort(distances[np.isin(first, atoms) & np.isin(second, atoms)])[::2]
    superoxides = int(np.count_nonzero(bonds < SUPEROXIDE_BOND)) if element == "O" else 0
    shared = 2 * len(bonds) + superoxides
    if element == "N":
        shared += 2 * int(np.count_nonzero(bonds < DOUBLE_NITROGEN_BOND))
        shared += 2 * int(np.count_nonzero(bonds < TRIPLE_NITROGEN_BOND))
    return Anions(element, charge + shared, len(bonds) - superoxides, superoxides)


def main_anion(elements: Collection[str], formula: str) -> str:
    """Return the anion among some elements; see :func:`find_anions` for the errors."""
    from pymatgen.core import Element

    known = ", ".join(f"{name}s" for name in ANION_NAMES.values())
    if len(elements) == 1:
        raise InvalidStructureError(
            f"the structure holds nothing but {Element(next(iter(elements))).long_name.lower()}",
            f"a compound with an anion: {known}",
            "take a compound; the levels of elements need no balance of charges and are not covered",
        )
    if "O" in elements:
        return "O"
    strength = {symbol: Element(symbol).data.get("X") or 0.0 for symbol in elements}
    candidates = [symbol for symbol in elements if symbol in ANION_CHARGES]
    strange = [symbol for symbol in elements if symbol in UNKNOWN_ANIONS]
    strongest = max(candidates, key=strength.__getitem__, default="")
    # Only hydrogen and carbon attract electrons more than some of the known anions do.
    above = [symbol for symbol in strange if symbol in "HC" and strongest]
    if strongest and not any(strength[symbol] > strength[strongest] for symbol in above):
        return strongest
    if strange:
        symbol = max(strange, key=strength.__getitem__)
        raise UnknownAnionError(
            f"{formula} is {UNKNOWN_ANIONS[symbol]}: of {symbol} as an anion no rules are known",
            f"{known}, or several of these anions",
            "choose a compound of one of these anions",
        )
    raise InvalidStructureError(
        f"{formula} holds metals only: an intermetallic compound has no gap, "
        "and so neither ionization potential nor electron affinity of an insulator",
        known,
        "choose a compound with an anion",
    )
