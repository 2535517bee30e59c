"""What a CIF file says of its crystal besides the sites, compared with the atoms that came out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Composition

from surfalign.crystals.cif.block import CifBlock
from surfalign.crystals.cif.sites import OCCUPANCY_TOLERANCE, Atoms, AtomSite
from surfalign.units import ATOMIC_MASS_UNIT_PER_CUBIC_ANGSTROM_IN_GRAM_PER_CUBIC_CENTIMETRE

#: Largest fractions by which amounts, the volume and the density may differ from what is stated: more
#: is a contradiction. Volumes and calculated densities of published files agree to some thousandths.
AMOUNTS, VOLUME, DENSITY = 0.01, 0.01, 0.03
#: Fractions from which on a difference is worth a note.
NOTED = 0.005
#: A site that is moved farther onto its symmetry element is worth a note, angstrom.
SHIFT = 0.02


@dataclass(frozen=True)
class Statements:
    """Numbers that a file states of its cell.

    Attributes
    ----------
    formula
        Sum formula: amounts by element.
    formula_text
        As it is written.
    formula_units
        Formula units in the cell (Z).
    volume
        angstrom^3.
    density
        Calculated from the crystal's own cell, g/cm^3.
    measured_density
        g/cm^3.
    """

    formula: dict[str, float] | None
    formula_text: str
    formula_units: float | None
    volume: float | None
    density: float | None
    measured_density: float | None


@dataclass(frozen=True)
class Comparison:
    """How statements and atoms compare.

    Attributes
    ----------
    contradictions
        What cannot both be true; each names both sides.
    notes
        What differs within the uncertainty of such files, or cannot be compared.
    """

    contradictions: list[str]
    notes: list[str]


def read_statements(block: CifBlock) -> Statements:
    """Read what a block states of the whole crystal."""
    text = block.text("_chemical_formula_sum") or ""
    density = block.number("_exptl_crystal_density_diffrn")
    measured = block.number("_exptl_crystal_density_meas")
    return Statements(
        formula=read_formula(text),
        formula_text=text,
        formula_units=block.number("_cell_formula_units_z"),
        volume=block.number("_cell_volume"),
        density=_per_cubic_centimetre(density),
        measured_density=_per_cubic_centimetre(measured),
    )


def read_formula(text: str) -> dict[str, float] | None:
    """Return the amounts of a sum formula, ``Al2 O3`` or ``Al (O H)3``; None where it is not one."""
    if re.search(r"(^|[\d)]\s)\s*\d", text):  # Ca S O4 2(H2 O): a number before what it counts
        return None
    try:
        composition = Composition(re.sub(r"\s", "", text), strict=True)
    except (ValueError, KeyError, TypeError):
        return None
    amounts: dict[str, float] = {}
    for element, amount in composition.items():
        symbol = "H" if element.symbol in ("D", "T") else element.symbol
        amounts[symbol] = amounts.get(symbol, 0.0) + amount
    return amounts or None


def compare(
    statements: Statements, sites: Sequence[AtomSite], atoms: Atoms, lattice: NDArray[np.float64]
) -> Comparison:
    """Compare what a file states with the atoms that one setting made of its sites."""
    contents = _contents(sites, atoms)
    contradictions: list[str] = []
    notes: list[str] = []
    volume = float(abs(np.linalg.det(lattice)))
    mass = sum(
        len(p) * min(s.occupancy, 1.0) * s.mass for s, p in zip(sites, atoms.positions, strict=True)
    )
    density = mass / volume * ATOMIC_MASS_UNIT_PER_CUBIC_ANGSTROM_IN_GRAM_PER_CUBIC_CENTIMETRE
    for what, stated, found, unit, limit in (
        ("volume", statements.volume, volume, "angstrom^3", VOLUME),
        ("density", statements.density, density, "g/cm^3", DENSITY),
        ("measured density", statements.measured_density, density, "g/cm^3", np.inf),
    ):
        difference = abs(found / stated - 1.0) if stated else 0.0
        if difference > NOTED:
            text = f"the {what} is stated as {stated:.5g} {unit}, and the cell has {found:.5g}"
            (contradictions if difference > limit else notes).append(text)
    contradictions += _missing_hydrogen(sites)
    contradictions += _compare_formula(statements, contents)
    if not contradictions:
        wrong = _compare_formula_units(statements, contents)
        # The density stands for the number of atoms as well: Z may be a slip.
        supported = statements.density and abs(density / statements.density - 1.0) <= DENSITY
        (notes if supported else contradictions).extend(wrong)
    contradictions += _compare_multiplicities(sites, atoms)
    if statements.formula_text and statements.formula is None:
        notes.append(f"the sum formula {statements.formula_text!r} is not understood")
    notes += _notes_on_sites(sites, atoms)
    return Comparison(contradictions, notes)


def _contents(sites: Sequence[AtomSite], atoms: Atoms) -> dict[str, float]:
    contents: dict[str, float] = {}
    for site, positions in zip(sites, atoms.positions, strict=True):
        amount = len(positions) * min(site.occupancy, 1.0)
        contents[site.element] = contents.get(site.element, 0.0) + amount
    return contents


def _missing_hydrogen(sites: Sequence[AtomSite]) -> list[str]:
    return [
        f"hydrogen is attached to the site {site.label} ({site.hydrogens} an atom), and no site holds it"
        for site in sites
        if site.hydrogens
    ]


def _compare_formula(statements: Statements, contents: Mapping[str, float]) -> list[str]:
    formula = statements.formula
    if formula is None:
        return []
    said = f"the sum formula is {statements.formula_text}"
    if missing := sorted(formula.keys() - contents.keys()):
        return [f"{said}, and no site holds {', '.join(missing)}"]
    if strange := sorted(contents.keys() - formula.keys()):
        return [f"{said}, and there are sites of {', '.join(strange)}"]
    ratios = [contents[element] / formula[element] for element in formula]
    if max(ratios) / min(ratios) > 1 + AMOUNTS:
        return [f"{said}, and the sites make {_as_formula(contents)} a cell"]
    return []


def _compare_formula_units(statements: Statements, contents: Mapping[str, float]) -> list[str]:
    """Compare Z: of the sum formula, or, where that counts the whole cell, of the reduced one."""
    stated = statements.formula_units
    if not stated:
        return []
    formula = statements.formula or {}
    units = [contents[element] / amount for element, amount in formula.items()][:1]
    amounts = np.array(list(contents.values()))
    if np.allclose(amounts, np.rint(amounts), atol=1e-3):
        reduced = int(np.gcd.reduce(np.rint(amounts).astype(int)))
        units.append(float(reduced))
        if not formula and reduced % stated == 0:
            return []
    if not units or any(abs(unit / stated - 1.0) <= AMOUNTS for unit in units):
        return []
    return [
        f"Z is {stated:g}, and the cell holds {units[0]:g} formula units ({_as_formula(contents)})"
    ]


def _compare_multiplicities(sites: Sequence[AtomSite], atoms: Atoms) -> list[str]:
    """Compare the multiplicities; some programs write the order of the site's symmetry instead."""
    stated = [
        (site, len(positions))
        for site, positions in zip(sites, atoms.positions, strict=True)
        if site.multiplicity
    ]
    if all((site.multiplicity or 0) * number == atoms.order for site, number in stated):
        return []
    return [
        f"the site {site.label} has the multiplicity {site.multiplicity}, and there are {number} atoms"
        for site, number in stated
        if site.multiplicity != number
    ][:1]


def _notes_on_sites(sites: Sequence[AtomSite], atoms: Atoms) -> list[str]:
    notes = [
        f"the site {site.label} was moved by {shift:.2f} angstrom onto its symmetry element"
        for site, shift in zip(sites, atoms.shifts, strict=True)
        if shift > SHIFT
    ]
    notes += [
        f"the occupancy {site.occupancy:g} of the site {site.label} is taken as 1"
        for site in sites
        if 1 < site.occupancy <= OCCUPANCY_TOLERANCE
    ]
    charges = [
        (site.charge, len(positions) * site.occupancy)
        for site, positions in zip(sites, atoms.positions, strict=True)
        if site.charge is not None
    ]
    total = sum(charge * amount for charge, amount in charges)
    if len(charges) == len(sites) and abs(total) > 0.5:
        notes.append(f"the charges of the file's ions sum to {total:+g} a cell")
    return notes


def _as_formula(contents: Mapping[str, float]) -> str:
    return " ".join(f"{element}{amount:g}" for element, amount in sorted(contents.items()))


def _per_cubic_centimetre(density: float | None) -> float | None:
    """Return a density in g/cm^3; some files state it in kg/m^3."""
    return density / 1000 if density and density > 100 else density
