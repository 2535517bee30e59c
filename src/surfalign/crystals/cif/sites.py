"""The atom sites of a CIF file, and the atoms that the symmetry makes of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element

from surfalign.crystals.cif.block import CifBlock, as_number
from surfalign.crystals.cif.symmetry import DENOMINATOR, Setting
from surfalign.crystals.distances import LARGEST_COORDINATE
from surfalign.errors import ContradictoryFileError, InvalidStructureError

#: An atom is on a symmetry element if its image is nearer than this, angstrom; no two atoms are.
SAME_ATOM = 0.2
#: Occupancies above one by less are rounding.
OCCUPANCY_TOLERANCE = 1.02

_SYMBOL = re.compile(r"^([A-Za-z]+)\s*(?:([+-]?\d*\.?\d*)([+-]?))?$")
#: Labels of positions that look like elements: of a perovskite, of a vacancy, of water.
_POSITIONS = frozenset({"B", "V", "W"})
_PLACES = tuple(f"_atom_site_fract_{axis}" for axis in "xyz")


@dataclass(frozen=True)
class AtomSite:
    """One row of the atom sites.

    Attributes
    ----------
    label
        Its name.
    element
        Symbol; hydrogen for its isotopes.
    mass
        Atomic mass units; of the isotope where one is named.
    charge
        As the type symbol states it, e; None where it does not.
    occupancy
        1 where it is not stated.
    position
        Fractional coordinates, shape (3,).
    multiplicity
        As stated; None where it is not.
    hydrogens
        Hydrogen atoms that are attached to it and have no site of their own.
    """

    label: str
    element: str
    mass: float
    charge: float | None
    occupancy: float
    position: NDArray[np.float64]
    multiplicity: int | None
    hydrogens: int


@dataclass(frozen=True)
class Atoms:
    """The atoms of a cell that one setting makes of the sites.

    Attributes
    ----------
    positions
        Fractional coordinates by site, each of shape (n, 3).
    shifts
        How far each site was moved onto its symmetry element, angstrom.
    order
        Number of operations.
    """

    positions: list[NDArray[np.float64]]
    shifts: list[float]
    order: int


def read_sites(
    block: CifBlock, formula: dict[str, float] | None
) -> tuple[list[AtomSite], list[str]]:
    """Read the atom sites; also return notes on what is unusual.

    Parameters
    ----------
    block
        The data block.
    formula
        Amounts by element of the sum formula: tells what labels such as CA1 mean.

    Raises
    ------
    InvalidStructureError
        When a site has no coordinates, or names no element.
    ContradictoryFileError
        When a label and a type symbol name different elements.
    """
    labels = block.column("_atom_site_label")
    types = block.column("_atom_site_type_symbol")
    number = len(block.column(_PLACES[0]) or labels or types)
    if "_atom_site_fract_x" not in block.columns:
        raise InvalidStructureError(
            "its atom sites have no fractional coordinates",
            "_atom_site_fract_x, _y and _z",
            "convert the file; Cartesian coordinates depend on axes that are not told",
        )
    sites, notes = [], []
    for row in range(number):
        kind, label = _cell(types, row), _cell(labels, row)
        name = label or kind or f"site {row + 1}"
        if (_cell(block.column("_atom_site_calc_flag"), row) or "").lower() == "dum":
            notes.append(f"the dummy site {name} is left out")
            continue
        element, charge = _element(kind, label, formula)
        occupancy = _number(block, "occupancy", row, name, 1.0)
        if occupancy <= 0:
            notes.append(f"the site {name} has the occupancy {occupancy:g} and is left out")
            continue
        mass = float(Element(element).atomic_mass)
        if element in ("D", "T"):
            notes.append(f"the isotope {element} of the site {name} is taken as hydrogen")
            element = "H"
        sites.append(
            AtomSite(
                label=name,
                element=element,
                mass=mass,
                charge=charge,
                occupancy=occupancy,
                position=np.array([_coordinate(block, item, row, name) for item in _PLACES]),
                multiplicity=_stated_multiplicity(block, row, name),
                hydrogens=round(_number(block, "attached_hydrogens", row, name, 0.0)),
            )
        )
    if not sites:
        raise InvalidStructureError("it has no atoms", "at least one atom site", "check the file")
    _require_no_alternatives(block)
    return sites, notes


def _require_no_alternatives(block: CifBlock) -> None:
    """Refuse fully occupied sites of which the file says that they exclude one another."""
    groups: dict[str, dict[str, str]] = {}
    for row, group in enumerate(block.column("_atom_site_disorder_group")):
        name = _cell(block.column("_atom_site_label"), row) or f"site {row + 1}"
        if group not in (None, "0") and _number(block, "occupancy", row, name, 1.0) >= 1:
            assembly = _cell(block.column("_atom_site_disorder_assembly"), row) or ""
            groups.setdefault(assembly, {}).setdefault(str(group), name)
    for found in groups.values():
        # A negative group is disordered about its own symmetry element.
        if len(found) > 1 or any(group.startswith("-") for group in found):
            said = ", ".join(f"{name} of group {group}" for group, name in found.items())
            raise ContradictoryFileError(
                f"sites are alternatives of a disorder ({said}), and each is fully occupied",
                "occupancies below 1 for alternatives",
                "keep the sites of one alternative, or state the occupancies",
            )


def expand(sites: Sequence[AtomSite], setting: Setting, lattice: NDArray[np.float64]) -> Atoms:
    """Apply the operations of a setting to the sites.

    A site whose own image is nearer than :data:`SAME_ATOM` lies on a symmetry element, and is put there:
    files give 0.3333 for a third.

    Parameters
    ----------
    sites
        The sites.
    setting
        The operations.
    lattice
        Rows, angstrom, shape (3, 3).
    """
    positions, shifts = [], []
    translations = setting.translations / DENOMINATOR
    for site in sites:
        place = site.position
        for _ in range(3):  # an image that lies just outside may come inside
            offsets = setting.rotations @ place + translations - place
            offsets -= np.rint(offsets)
            near = offsets[np.linalg.norm(offsets @ lattice, axis=1) < SAME_ATOM]
            if len(near) == 1:  # the identity alone
                break
            place = place + near.mean(axis=0)
        images = (setting.rotations @ place + translations) % 1.0
        images[images > 1 - 1e-9] = 0.0
        positions.append(_distinct(images, lattice))
        shifts.append(float(np.linalg.norm((place - site.position) @ lattice)))
    return Atoms(positions, shifts, len(translations))


def _distinct(images: NDArray[np.float64], lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keep one of the images that fall together, in the order of the operations."""
    if len(images) == 1:
        return images
    kept: list[NDArray[np.float64]] = []
    left = images
    while len(left):
        kept.append(left[0])
        offsets = left - left[0]
        distances = np.linalg.norm((offsets - np.rint(offsets)) @ lattice, axis=1)
        left = left[distances >= SAME_ATOM]
    return np.array(kept)


def _cell(column: Sequence[str | None], row: int) -> str | None:
    return column[row] if row < len(column) else None


def _number(block: CifBlock, item: str, row: int, name: str, default: float) -> float:
    text = _cell(block.column(f"_atom_site_{item}"), row)
    return default if text is None else as_number(text, f"{item} of {name}")


def _coordinate(block: CifBlock, item: str, row: int, name: str) -> float:
    text = _cell(block.column(item), row)
    if text is None:
        raise InvalidStructureError(
            f"the site {name} has no coordinates",
            "a place for every atom",
            "add it, or leave the site out",
        )
    value = as_number(text, f"{item[11:]} of {name}")
    if abs(value) > LARGEST_COORDINATE:
        raise InvalidStructureError(
            f"{item[11:]} of {name} is {value:g}",
            "fractional coordinates, most of them between 0 and 1",
            "check whether they are Cartesian, or lack a decimal point",
        )
    return value


def _stated_multiplicity(block: CifBlock, row: int, name: str) -> int | None:
    for item in ("site_symmetry_multiplicity", "symmetry_multiplicity"):
        if _cell(block.column(f"_atom_site_{item}"), row) is not None:
            return int(_number(block, item, row, name, 0.0))
    return None


def _element(
    kind: str | None, label: str | None, formula: dict[str, float] | None
) -> tuple[str, float | None]:
    """Return the element of a site and its charge; check what the label says of it."""
    if kind is None:
        return _element_of_label(label or "", formula), None
    match = _SYMBOL.match(kind)
    symbol = match[1].capitalize() if match else ""
    if match is None or not Element.is_valid_symbol(symbol):
        raise InvalidStructureError(
            f"the type symbol {kind!r} of the site {label} is no element",
            "an element, with a charge or without, e.g. O2-",
            "give each atom a site of its own",
        )
    spelt = _letters(label)
    if _is_another(spelt, symbol) and not (formula and symbol in formula and spelt not in formula):
        raise ContradictoryFileError(
            f"the site {label} has the type symbol {kind}",
            f"{spelt} in both, or {symbol} in both",
            "correct the one that is wrong",
        )
    digits, sign = (match[2] or ""), (match[3] or "")
    if not digits and not sign:
        return symbol, None
    value = float(digits.strip("+-") or 1)
    return symbol, -value if "-" in digits + sign else value


def _is_another(spelt: str, symbol: str) -> bool:
    """Tell whether a label spells another element, and not the name of a position (B1, V1, W1)."""
    return (
        Element.is_valid_symbol(spelt)
        and spelt not in _POSITIONS
        and spelt[0] != symbol
        and not (len(spelt) == 1 and spelt == symbol[0])
        and spelt != symbol
    )


def _element_of_label(label: str, formula: dict[str, float] | None) -> str:
    """Return the element that a label without a type symbol names."""
    letters = _letters(label)
    options = [s for s in (letters, letters[:2], letters[:1]) if s and Element.is_valid_symbol(s)]
    options = list(dict.fromkeys(options))
    if formula:
        options = [s for s in options if s in formula or (s == "D" and "H" in formula)]
    # Without a formula the whole word must be an element: Wat1 is no tungsten, Oh1 no oxygen alone.
    elif letters not in options:
        options = []
    if not options:
        raise InvalidStructureError(
            f"the site {label!r} names no element" + (" of the sum formula" if formula else ""),
            "a label such as Mg1, or a type symbol",
            "add _atom_site_type_symbol",
        )
    return options[0]


def _letters(label: str | None) -> str:
    match = re.match(r"[A-Za-z]+", label or "")
    return match[0].capitalize() if match else ""
