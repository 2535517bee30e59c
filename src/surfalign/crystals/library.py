"""The built-in library of textbook crystals: measured structures with their sources."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from surfalign.files import load_yaml

if TYPE_CHECKING:
    from pymatgen.core import Lattice, Structure
    from pymatgen.symmetry.groups import SpaceGroup

#: The oxides come first, as in every list of the library.
FILE_NAMES = ("oxides.yaml", "other_crystals.yaml")


@dataclass(frozen=True)
class Reference:
    """A literature reference; ``doi`` is empty where we are not certain of it."""

    text: str
    doi: str = ""

    def __str__(self) -> str:
        return f"{self.text}, doi {self.doi}" if self.doi else self.text


@dataclass(frozen=True)
class WyckoffSite:
    """One orbit: element, multiplicity and letter (``4f``), fractional coordinates."""

    element: str
    wyckoff: str
    coordinates: tuple[float, float, float]

    @property
    def multiplicity(self) -> int:
        """Number of atoms of this orbit in the conventional cell."""
        return int(self.wyckoff[:-1])


@dataclass(frozen=True)
class LibraryEntry:
    """One crystal of the library, in the axes of its source.

    Parameters
    ----------
    name
        Key of the entry, e.g. ``TiO2-rutile``.
    formula
        Reduced formula.
    phase
        Structure type, and the mineral's name in brackets.
    space_group_number
        Number of the space group.
    setting
        Hermann-Mauguin symbol of the setting of this entry; ``:2`` marks the second origin choice,
        ``:H`` hexagonal axes.
    lattice_parameters
        a, b, c (angstrom) and alpha, beta, gamma (degree).
    sites
        The orbits.
    reference
        Literature source of the structure.
    surface
        Miller index of the textbook cleavage plane in spglib's standard conventional cell, or None.
    default
        Whether the bare formula means this phase.
    aliases
        Further names.
    note
        What a user should know; may be empty.
    """

    name: str
    formula: str
    phase: str
    space_group_number: int
    setting: str
    lattice_parameters: tuple[float, float, float, float, float, float]
    sites: tuple[WyckoffSite, ...]
    reference: Reference
    surface: tuple[int, int, int] | None = None
    default: bool = False
    aliases: tuple[str, ...] = ()
    note: str = ""

    @property
    def anions(self) -> tuple[str, ...]:
        """Elements that are anions: the main one first."""
        # pymatgen is loaded here: the command line lists crystals without it.
        from surfalign.crystals.chemistry.oxidation import anion_elements

        amounts: dict[str, int] = {}
        for site in self.sites:
            amounts[site.element] = amounts.get(site.element, 0) + site.multiplicity
        return anion_elements(amounts)

    @property
    def space_group_symbol(self) -> str:
        """Symbol of the setting without the origin choice, e.g. ``P4_2/mnm``."""
        return self.setting.split(":")[0]

    @property
    def n_atoms(self) -> int:
        """Number of atoms in the cell of this entry."""
        return sum(site.multiplicity for site in self.sites)

    def lattice(self) -> Lattice:
        """Return the lattice of this entry's cell."""
        from pymatgen.core import Lattice

        return Lattice.from_parameters(*self.lattice_parameters)

    def conventional_structure(self) -> Structure:
        """Build the cell of this entry from its space group and orbits."""
        from pymatgen.core import Structure

        group = _space_group(self.setting)
        orbits = [group.get_orbit(site.coordinates, tol=1e-3) for site in self.sites]
        species = [
            site.element for site, orbit in zip(self.sites, orbits, strict=True) for _ in orbit
        ]
        coordinates = [position for orbit in orbits for position in orbit]
        return Structure(self.lattice(), species, coordinates, to_unit_cell=True)


def library() -> dict[str, LibraryEntry]:
    """Return all entries by name, in the order of the file."""
    return dict(_read_library())


def find_entry(name: str) -> LibraryEntry | None:
    """Find an entry by name, alias or formula; None where there is none.

    Names and aliases are compared without regard to case, spaces and underscores, where that leaves one
    (``BAs`` is not ``BaS``); a formula may be written in any order of its elements (``OMg``) but with
    proper capitals, because ``CO`` is not ``Co``. A bare formula means the entry marked as default.
    """
    entries = _read_library()
    if name in entries:
        return entries[name]
    wanted = _fold(name)
    alike = [
        entry
        for entry in entries.values()
        if wanted in {_fold(entry.name), *map(_fold, entry.aliases)}
    ]
    if len(alike) == 1:
        return alike[0]
    formula = _reduced_formula(name)
    if formula is None:
        return None
    phases = [entry for entry in entries.values() if entry.formula == formula]
    return next((entry for entry in phases if entry.default), phases[0] if phases else None)


def phases_of(formula: str) -> list[LibraryEntry]:
    """Return all entries of a formula (any order of the elements), in the order of the file."""
    reduced = _reduced_formula(formula)
    return [entry for entry in _read_library().values() if entry.formula == reduced]


def known_names() -> list[str]:
    """Return all names, formulas and aliases, for suggestions."""
    names: dict[str, None] = {}
    for entry in _read_library().values():
        names.update(dict.fromkeys((entry.name, entry.formula, *entry.aliases)))
    return list(names)


@cache
def _read_library() -> dict[str, LibraryEntry]:
    entries: dict[str, LibraryEntry] = {}
    for file_name in FILE_NAMES:
        text = files("surfalign.crystals").joinpath(file_name).read_text(encoding="utf-8")
        content = load_yaml(text, file_name)
        references = {key: Reference(**value) for key, value in content["references"].items()}
        for name, raw in content["crystals"].items():
            entries[name] = _entry(name, raw, references)
    return entries


@cache
def _space_group(setting: str) -> SpaceGroup:
    """Build the operations once: pymatgen takes up to a second for the 192 of Fm-3m."""
    from pymatgen.symmetry.groups import SpaceGroup

    # pymatgen spells a setting with an origin choice without underscores: I41/amd:2.
    symbol = setting.replace("_", "") if ":" in setting else setting
    with warnings.catch_warnings():
        # Settings such as Pbnm have no full symbol in pymatgen; the operations are all there.
        warnings.filterwarnings("ignore", message="Full symbol not available")
        return SpaceGroup(symbol)


def _entry(name: str, raw: dict[str, Any], references: dict[str, Reference]) -> LibraryEntry:
    surface = raw.get("surface")
    return LibraryEntry(
        name=name,
        formula=raw["formula"],
        phase=raw["phase"],
        space_group_number=raw["number"],
        setting=raw["symbol"],
        lattice_parameters=_lattice_parameters(raw["number"], raw["lattice"]),
        sites=tuple(
            WyckoffSite(element, wyckoff, (_number(x), _number(y), _number(z)))
            for element, wyckoff, x, y, z in raw["sites"]
        ),
        reference=references[raw["reference"]],
        surface=tuple(surface) if surface else None,
        default=raw.get("default", False),
        aliases=tuple(raw.get("aliases", ())),
        note=raw.get("note", ""),
    )


def _lattice_parameters(
    number: int, given: dict[str, float]
) -> tuple[float, float, float, float, float, float]:
    """Complete the free lattice parameters by those that the crystal system fixes."""
    a = given["a"]
    hexagonal = 143 <= number <= 194
    b = given.get("b", a)
    c = given.get("c", a)
    return (
        float(a),
        float(b),
        float(c),
        float(given.get("alpha", 90.0)),
        float(given.get("beta", 90.0)),
        float(given.get("gamma", 120.0 if hexagonal else 90.0)),
    )


def _number(value: str | float) -> float:
    """Read a coordinate; ``1/3`` is a fraction."""
    return float(Fraction(value)) if isinstance(value, str) else float(value)


def _fold(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()


def _reduced_formula(text: str) -> str | None:
    """Return the reduced formula in pymatgen's spelling; None where ``text`` is no formula."""
    if not re.fullmatch(r"(?:[A-Z][a-z]?\d*|\((?:[A-Z][a-z]?\d*)+\)\d*)+", text):
        return None
    from pymatgen.core import Composition

    try:
        return Composition(text).reduced_formula
    except ValueError:
        return None
