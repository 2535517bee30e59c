"""The settings that agree with all that a file says of its symmetry, and with its cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from surfalign.crystals.cif.block import CifBlock
from surfalign.crystals.cif.claims import SYSTEM, Claim, read_claims
from surfalign.crystals.cif.symmetry import Setting, settings_of_symbol, standard_settings
from surfalign.errors import ContradictoryFileError, InvalidStructureError

#: Numbers of the space groups; files use the three words for hexagonal axes without distinction.
_SYSTEMS = {
    "triclinic": (1, 2),
    "monoclinic": (3, 15),
    "orthorhombic": (16, 74),
    "tetragonal": (75, 142),
    "trigonal": (143, 194),
    "hexagonal": (143, 194),
    "rhombohedral": (143, 194),
    "cubic": (195, 230),
}


@dataclass(frozen=True)
class SymmetryChoice:
    """Settings by which the sites of a file may be read.

    Attributes
    ----------
    settings
        One where the file leaves no choice; the preferred one first.
    reason
        Why there are several, or where the one comes from.
    disagreement
        Two statements that name different settings of one space group; empty where all agree.
    notes
        Statements that were not understood.
    """

    settings: tuple[Setting, ...]
    reason: str
    disagreement: str = ""
    notes: tuple[str, ...] = field(default=())


def choose_settings(block: CifBlock, lattice: NDArray[np.float64]) -> SymmetryChoice:
    """Return the settings that agree with all that a block says of its symmetry, and with its cell.

    Parameters
    ----------
    block
        The data block.
    lattice
        Rows, angstrom, shape (3, 3).

    Raises
    ------
    ContradictoryFileError
        When two statements mean different space groups, or the cell has not the symmetry.
    InvalidStructureError
        When the file states no symmetry that is understood, or incomplete operations.
    """
    claims, notes = read_claims(block)
    if not claims:
        raise InvalidStructureError(
            "it states no symmetry that is understood"
            + (f" ({'; '.join(notes)})" if notes else ""),
            "symmetry operations, or a Hermann-Mauguin or Hall symbol",
            "add them; write _symmetry_space_group_name_H-M 'P 1' where all atoms of the cell are listed",
        )
    _check_numbers(claims)
    notes += _notes_on_system(block, claims)
    pools = [claim for claim in claims if claim.settings]
    disagreement = ""
    if not pools:
        (number, *_) = claims[0].numbers
        settings = standard_settings(number)
    else:
        settings = _common(pools)
        if not settings:
            settings = _unique([s for claim in pools for s in claim.settings])
            disagreement = _disagreement(pools)
    fitting = [setting for setting in settings if setting.fits(lattice)]
    if not fitting and pools and not any(claim.decides for claim in pools):
        fitting = [s for s in _common(pools, further=True) if s.fits(lattice)]
    if not fitting:
        others = {o.name for setting in settings for o in other_settings(setting, lattice)}
        raise ContradictoryFileError(
            f"{claims[0].text} and the cell ({_cell(lattice)}) do not fit together",
            f"a cell with the symmetry of {', '.join(s.name for s in settings[:3])}",
            "correct the one that is wrong"
            + (f"; the cell would fit {' or '.join(sorted(others))}" if others else ""),
        )
    return SymmetryChoice(tuple(fitting), claims[0].text, disagreement, tuple(notes))


def other_settings(setting: Setting, lattice: NDArray[np.float64]) -> list[Setting]:
    """Return the other origins and kinds of axes of a setting's symbol, as far as they fit a lattice."""
    named, _ = settings_of_symbol(setting.name.partition(":")[0])
    if not named and setting.number:
        named = standard_settings(setting.number)
    return [
        other
        for other in named
        if other.key != setting.key and other.number == setting.number and other.fits(lattice)
    ]


def _check_numbers(claims: Sequence[Claim]) -> None:
    for place, claim in enumerate(claims):
        for other in claims[:place]:
            if not claim.numbers & other.numbers:
                raise ContradictoryFileError(
                    f"{other.text} and {claim.text} mean different space groups",
                    "statements that agree",
                    "correct the one that is wrong",
                )


def _notes_on_system(block: CifBlock, claims: Sequence[Claim]) -> list[str]:
    """Note a crystal system that is not that of the space group: such a word is often a slip."""
    numbers = frozenset.intersection(*(claim.numbers for claim in claims))
    known = {
        system
        for system, (first, last) in _SYSTEMS.items()
        if any(first <= number <= last for number in numbers)
    }
    return [
        f"the crystal system is stated as {word}, and {claims[0].text} is {'/'.join(sorted(known))}"
        for word in block.texts(*SYSTEM)
        if word.lower() in _SYSTEMS and word.lower() not in known
    ]


def _common(claims: Sequence[Claim], *, further: bool = False) -> list[Setting]:
    """Return the settings that all of these claims may mean, in the order of the first."""
    decides = any(claim.decides for claim in claims)
    pools = [
        c.all_settings if further or decides or len(claims) > 1 else c.settings for c in claims
    ]
    return _unique(
        [s for s in pools[0] if all(any(s.key == o.key for o in pool) for pool in pools[1:])]
    )


def _unique(settings: Sequence[Setting]) -> list[Setting]:
    return list({setting.key: setting for setting in reversed(settings)}.values())[::-1]


def _disagreement(claims: Sequence[Claim]) -> str:
    for place, claim in enumerate(claims):
        for other in claims[:place]:
            if not _common([other, claim]):
                return f"{other.text} and {claim.text} mean different settings"
    return "its statements on the symmetry mean different settings"


def _cell(lattice: NDArray[np.float64]) -> str:
    lengths = np.linalg.norm(lattice, axis=1)
    cosines = [
        lattice[i] @ lattice[j] / (lengths[i] * lengths[j]) for i, j in ((1, 2), (0, 2), (0, 1))
    ]
    angles = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    names = zip(("a", "b", "c", "α", "β", "γ"), (*lengths, *angles), strict=True)
    return ", ".join(f"{name} {value:.5g}" for name, value in names)
