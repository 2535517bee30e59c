"""What a file says of its symmetry: operations, symbols, the number of the space group."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import gemmi

from surfalign.crystals.cif.block import CifBlock, as_number
from surfalign.crystals.cif.symmetry import (
    Setting,
    setting_of_operations,
    settings_of_symbol,
)
from surfalign.errors import ContradictoryFileError, InvalidStructureError

OPERATIONS = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")
HALL = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
HERMANN_MAUGUIN = (
    "_space_group_name_h-m_alt",
    "_symmetry_space_group_name_h-m",
    "_space_group_name_h-m_full",
    "_symmetry_space_group_name_h_m",
)
NUMBER = ("_space_group_it_number", "_symmetry_int_tables_number")
CODE = ("_space_group_it_coordinate_system_code",)
#: Magnetic CIF: operations with the reversal of time at their end, to be combined with centrings.
MAGNETIC = ("_space_group_symop_magn_operation_xyz", "_space_group_symop_magn_centering_xyz")
SYSTEM = ("_space_group_crystal_system", "_symmetry_cell_setting")

#: Letters behind a symbol: hexagonal or rhombohedral axes; origin at the centre of symmetry (Z), or at
#: the other point (S), as the Inorganic Crystal Structure Database writes them.
_LETTERS = re.compile(r"^(.*\S)\s+([HR]?[SZ]?|[SZ][HR])$", re.I)
#: cctbx writes other axes behind the symbol: P n m a (b,c,a).
_CHANGE_OF_BASIS = re.compile(r"\s*\([^()]*,[^()]*,[^()]*\)\s*$")


@dataclass(frozen=True)
class Claim:
    """One statement on the symmetry.

    Attributes
    ----------
    text
        For messages, e.g. ``the symbol 'I 41/a :2'``.
    numbers
        Space groups that it may mean.
    settings
        Settings that it may mean; none where it leaves them open.
    further
        What a short symbol may mean besides.
    decides
        Whether it states the operations themselves.
    """

    text: str
    numbers: frozenset[int]
    settings: tuple[Setting, ...] = ()
    further: tuple[Setting, ...] = ()
    decides: bool = False

    @property
    def all_settings(self) -> tuple[Setting, ...]:
        """What it may mean, the usual before the unusual."""
        return (*self.settings, *self.further)


def read_claims(block: CifBlock) -> tuple[list[Claim], list[str]]:
    """Return all that is understood, what decides first; and a word on what is not."""
    found: list[Claim | str] = []
    if operations := _operations(block):
        found.append(_claim_of_operations(operations))
    found += [_claim_of_hall(text) for text in block.texts(*HALL)]
    code = block.text(*CODE) or ""
    if not block.column(MAGNETIC[0]):
        found += [_claim_of_symbol(text, code) for text in block.texts(*HERMANN_MAUGUIN)]
        for text in block.texts(*NUMBER):
            number = as_number(text, "the number of the space group")
            if number:  # some programs write 0 for unknown
                found.append(_claim_of_number(number))
    claims = [claim for claim in found if isinstance(claim, Claim)]
    return claims, [text for text in found if isinstance(text, str)]


def _operations(block: CifBlock) -> list[str]:
    if magnetic := block.column(MAGNETIC[0]):
        plain = [text.rsplit(",", 1)[0] for text in magnetic if text]
        centrings = [text.rsplit(",", 1)[0] for text in block.column(MAGNETIC[1]) if text]
        return plain if not centrings else _combined(plain, centrings)
    return [text for text in block.column(*OPERATIONS) if text]


def _combined(operations: list[str], centrings: list[str]) -> list[str]:
    products = (gemmi.Op(c).combine(gemmi.Op(o)) for c in centrings for o in operations)
    return [op.wrap().triplet() for op in products]


def _claim_of_operations(texts: Sequence[str]) -> Claim:
    operations = []
    for text in texts:
        try:
            operations.append(gemmi.Op(re.sub(r"\s", "", text)))
        except (RuntimeError, ValueError) as error:
            raise InvalidStructureError(
                f"the symmetry operation {text!r} cannot be read ({error})",
                "operations such as -x, y+1/2, z",
                "correct the file",
            ) from error
    setting = setting_of_operations(operations, f"the {len(operations)} operations")
    if not setting.number:
        raise ContradictoryFileError(
            f"the {len(operations)} symmetry operations are not complete: the product of two of them is "
            "not among them",
            "all operations of the space group",
            "list all, or none and the symbol",
        )
    name = f"the {len(operations)} operations, of space group No. {setting.number}"
    return Claim(name, frozenset({setting.number}), (setting,), decides=True)


def _claim_of_hall(text: str) -> Claim | str:
    try:
        operations = list(gemmi.symops_from_hall(text))
    except (RuntimeError, ValueError):
        return f"the Hall symbol {text!r} is not understood"
    setting = setting_of_operations(operations, f"Hall {text}")
    return Claim(
        f"the Hall symbol '{text}' (No. {setting.number})",
        frozenset({setting.number}),
        (setting,),
        decides=True,
    )


def _claim_of_symbol(text: str, code: str) -> Claim | str:
    symbol, own_code = _split(text)
    code = own_code or code
    other_axes = _CHANGE_OF_BASIS.search(symbol)
    bare = _CHANGE_OF_BASIS.sub("", symbol)
    anything, more = settings_of_symbol(bare)
    if not anything:
        return f"the symbol {text!r} is not understood"
    numbers = frozenset(s.number for s in (*anything, *more))
    said = f"the symbol '{text}' (No. {'/'.join(map(str, sorted(numbers)))})"
    if other_axes:
        return Claim(said, numbers)
    settings, further = settings_of_symbol(bare, code)
    if not settings:
        if own_code:
            raise ContradictoryFileError(
                f"{said} has no setting {code!r}",
                f"one of {', '.join(s.name for s in anything)}",
                "correct the symbol",
            )
        return f"the setting {code!r} of {said} is not understood"
    return Claim(said, numbers, tuple(settings), tuple(further))


def _split(text: str) -> tuple[str, str]:
    """Part a symbol from the code of its setting."""
    symbol, colon, code = text.partition(":")
    if colon:
        return symbol.strip(), code.strip().strip("()").lower()
    match = _LETTERS.match(text)
    if match and match[2]:
        letters = match[2].lower()
        # S names no setting for sure: databases write it for an origin that is unusual.
        axes = "".join(c for c in letters if c in "hr")
        return match[1], axes or ("2" if "z" in letters else "")
    return text, ""


def _claim_of_number(number: float) -> Claim:
    if number != int(number) or not 1 <= number <= 230:
        raise InvalidStructureError(
            f"the number of the space group is {number:g}", "1 to 230", "correct the file"
        )
    return Claim(f"the number {number:g}", frozenset({int(number)}))
