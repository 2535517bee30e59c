"""Groups of symmetry operations in one setting, and the settings that a symbol stands for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import gemmi
import numpy as np
import spglib
from numpy.typing import NDArray

#: Translations are whole multiples of a 24th in all tabulated settings.
DENOMINATOR = 24
#: Space groups whose symbols were given an e in 1992.
_DOUBLE_GLIDES = (39, 41, 64, 67, 68)


@dataclass(frozen=True, eq=False)
class Setting:
    """The operations of a space group in one choice of axes and origin.

    Attributes
    ----------
    name
        Extended Hermann-Mauguin symbol, e.g. ``I 41/a:2``; else what it comes from.
    number
        Number of the space group.
    rotations, translations
        Operations x' = W x + t, integers; t in 24ths. Shapes (n, 3, 3) and (n, 3).
    """

    name: str
    number: int
    rotations: NDArray[np.int64]
    translations: NDArray[np.int64]

    @cached_property
    def key(self) -> frozenset[tuple[int, ...]]:
        """The operations as a set: equal for equal groups."""
        rows = np.concatenate([self.rotations.reshape(-1, 9), self.translations], axis=1)
        return frozenset(map(tuple, rows.tolist()))

    def is_closed(self) -> bool:
        """Tell whether the product of any two operations is one of them."""
        products = np.einsum("aij,bjk->abik", self.rotations, self.rotations).reshape(-1, 9)
        shifts = np.einsum("aij,bj->abi", self.rotations, self.translations)
        shifts = (shifts + self.translations[:, None, :]).reshape(-1, 3) % DENOMINATOR
        rows = np.unique(np.concatenate([products, shifts], axis=1), axis=0)
        return set(map(tuple, rows.tolist())) <= self.key

    def fits(self, lattice: NDArray[np.float64], tolerance: float = 0.01) -> bool:
        """Tell whether a lattice (rows, angstrom) has these rotations, to a hundredth of its lengths."""
        metric = lattice @ lattice.T
        images = np.einsum("aji,jk,akl->ail", self.rotations, metric, self.rotations)
        lengths = np.sqrt(np.diag(metric))
        scale = 2 * tolerance * np.outer(lengths, lengths)
        return bool((np.abs(images - metric) <= scale).all())


def setting_of_operations(operations: Sequence[gemmi.Op], name: str) -> Setting:
    """Return the setting that a list of operations makes up; its number is 0 where it is no group."""
    wrapped = {op.wrap().triplet(): op.wrap() for op in [gemmi.Op("x,y,z"), *operations]}
    ops = list(wrapped.values())
    tabulated = gemmi.find_spacegroup_by_ops(gemmi.GroupOps(ops))
    if tabulated is not None and len(ops) == len(_tabulated(tabulated).rotations):
        return Setting(name, tabulated.number, *_arrays(ops))
    setting = Setting(name, 0, *_arrays(ops))
    return Setting(name, _number(setting) if setting.is_closed() else 0, *_arrays(ops))


def settings_of_symbol(symbol: str, code: str = "") -> tuple[list[Setting], list[Setting]]:
    """Return the settings that a Hermann-Mauguin symbol stands for.

    Parameters
    ----------
    symbol
        As it is written: with spaces, underscores or neither, short or full.
    code
        Setting: ``1``, ``2``, ``H``, ``R``, or the axes, e.g. ``b3``, ``cab``. Empty where none is stated.

    Returns
    -------
    settings, further
        Both origins, and both kinds of axes, where the symbol leaves these open; and what a short
        monoclinic symbol means with another unique axis than the customary one.
    """
    entries = _entries(symbol)
    if not entries:
        return [], []
    chosen = [entry for entry in entries if not code or code.lower() in _codes(entry)]
    first, rest = _customary(chosen)
    return [_tabulated(entry) for entry in first], [_tabulated(entry) for entry in rest]


def standard_settings(number: int) -> list[Setting]:
    """Return the settings of International Tables for a number: both origins, both kinds of axes."""
    return [
        _tabulated(entry)
        for entry in gemmi.spacegroup_table()
        if entry.number == number and entry.hm == gemmi.find_spacegroup_by_number(number).hm
    ]


def _codes(entry: gemmi.SpaceGroup) -> tuple[str, ...]:
    """Return what the setting is called: origin or axes (1, h), axes (cab), and both (2cab)."""
    extension, axes = str(entry.ext).strip("\x00").lower(), entry.qualifier.lower()
    return extension, axes, extension + axes, axes + extension


def _customary(
    entries: Sequence[gemmi.SpaceGroup],
) -> tuple[list[gemmi.SpaceGroup], list[gemmi.SpaceGroup]]:
    """Part the entries of a short monoclinic symbol: unique axis b, else c, else a; and the others."""
    axes = ["".join(c for c in e.qualifier if c in "abc") for e in entries]
    if len({e.hm for e in entries}) <= 1 or not all(3 <= e.number <= 15 for e in entries):
        return list(entries), []
    customary = next(axis for axis in "bca" if axis in axes)
    return (
        [e for e, axis in zip(entries, axes, strict=True) if axis == customary],
        [e for e, axis in zip(entries, axes, strict=True) if axis != customary],
    )


def _entries(symbol: str) -> list[gemmi.SpaceGroup]:
    """Find a symbol in the table; a full symbol (P 2/m 2/m 2/m) by its short form."""
    table = _table()
    for text in (symbol, _shortened(symbol)):
        if found := table.get(_squeezed(text)) or _with_double_glides(_squeezed(text)):
            return found
        # gemmi knows further spellings: F d 3 m.
        known = gemmi.find_spacegroup_by_name(text)
        if known is not None:
            return table[_squeezed(known.hm)]
    return []


def _with_double_glides(squeezed: str) -> list[gemmi.SpaceGroup]:
    """Find a symbol with e: C c c e is C c c a and C c c b, which have different origins."""
    if "e" not in squeezed:
        return []
    pattern = re.compile(re.escape(squeezed).replace("e", "[abc]"))
    return [
        entry
        for key, entries in _table().items()
        if pattern.fullmatch(key)
        for entry in entries
        if entry.number in _DOUBLE_GLIDES
    ]


@cache
def _table() -> dict[str, list[gemmi.SpaceGroup]]:
    table: dict[str, list[gemmi.SpaceGroup]] = {}
    for entry in gemmi.spacegroup_table():
        table.setdefault(_squeezed(entry.hm), []).append(entry)
        if 3 <= entry.number <= 15:
            short = "".join(part for part in entry.hm.split() if part != "1")
            table.setdefault(_squeezed(short), []).append(entry)
    return table


def _squeezed(symbol: str) -> str:
    return re.sub(r"[\s_()]", "", symbol).lower()


def _shortened(symbol: str) -> str:
    """Leave the axes of ``2/m`` and ``4/m -3`` out, as short symbols do."""
    centring, *parts = symbol.replace("_", " ").split() or [""]
    if sum(part != "1" for part in parts) < 2:
        return symbol
    if "-3" in parts[1:2] or "3" in parts[1:2]:
        parts = [re.sub(r"^4[1-3]?/", "", parts[0]), *parts[1:]]
    return " ".join([centring, *(re.sub(r"^21?/", "", part) for part in parts)])


@cache
def _setting(hall: str, name: str, number: int) -> Setting:
    return Setting(name, number, *_arrays(gemmi.symops_from_hall(hall)))


def _tabulated(entry: gemmi.SpaceGroup) -> Setting:
    return _setting(entry.hall, entry.xhm(), entry.number)


def _arrays(operations: Iterable[gemmi.Op]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    ops = list(operations)
    rotations = np.array([op.rot for op in ops], dtype=np.int64) // DENOMINATOR
    translations = np.array([op.tran for op in ops], dtype=np.int64) % DENOMINATOR
    return rotations, translations


def _number(setting: Setting) -> int:
    """Return the number of a group in a setting that is not tabulated; 0 where it is none."""
    found = spglib.get_spacegroup_type_from_symmetry(
        setting.rotations, setting.translations / DENOMINATOR
    )
    return int(found.number) if found is not None else 0
