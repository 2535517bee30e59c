"""Reading a CIF file: its sites by the setting that agrees with all that it says of itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Composition, Lattice, Structure

from surfalign.crystals.cif.block import CifBlock, as_number, read_crystal_block
from surfalign.crystals.cif.choice import SymmetryChoice, choose_settings, other_settings
from surfalign.crystals.cif.sites import (
    OCCUPANCY_TOLERANCE,
    SAME_ATOM,
    Atoms,
    AtomSite,
    expand,
    read_sites,
)
from surfalign.crystals.cif.statements import Comparison, Statements, compare, read_statements
from surfalign.crystals.cif.symmetry import Setting
from surfalign.crystals.distances import OVERLAP_FRACTION, closest_contact
from surfalign.errors import ContradictoryFileError, InvalidStructureError, MagneticIonError

#: Where a file leaves two settings open, one that makes contacts shorter than this, in units of the sum
#: of the covalent radii, is not meant: the tightest bonds of oxides (uranyl) lie at 0.67.
USUAL_FRACTION = 0.66
_REMEDY = "correct what is wrong, or take another file of this crystal"


@dataclass(frozen=True, eq=False)
class Reading:
    """The crystal that one setting makes of a file."""

    setting: Setting
    atoms: Atoms
    comparison: Comparison
    sites: Sequence[AtomSite]
    lattice: Lattice

    @cached_property
    def structure(self) -> Structure:
        """The cell, its sites sorted by electronegativity; a shared place is one site."""
        return _structure(self.sites, self.atoms, self.lattice)

    @cached_property
    def closest(self) -> float:
        """Shortest contact in units of the sum of the covalent radii."""
        contact = closest_contact(self.structure, USUAL_FRACTION)
        return np.inf if contact is None else contact.fraction

    @property
    def fault(self) -> str:
        """The first thing that speaks against this reading; empty for nothing."""
        if self.comparison.contradictions:
            return self.comparison.contradictions[0]
        try:
            closest = self.closest
        except ContradictoryFileError as error:  # two sites fall together
            return error.found
        if closest < OVERLAP_FRACTION:
            return f"two atoms would be at {closest:.2f} of the sum of their covalent radii"
        return ""


def read_cif(path: Path) -> tuple[Structure, tuple[str, ...]]:
    """Read the crystal of a CIF file, plain or compressed; also return notes.

    The setting is that of the operations, the Hall symbol, or the Hermann-Mauguin symbol with its code.
    A symbol that leaves the origin open is read both ways, and the way that agrees with the rest of the
    file is taken.

    Raises
    ------
    ContradictoryFileError
        When two statements cannot both be true: of symmetry, sum formula, Z, volume, density,
        multiplicities, labels, or hydrogen that has no site.
    InvalidStructureError
        When the file is no CIF, or lacks what makes a crystal.
    MagneticIonError
        When it states magnetic moments.
    """
    block = read_crystal_block(path)
    _refuse_what_is_no_plain_crystal(block)
    lattice = _lattice(block)
    statements = read_statements(block)
    sites, notes = read_sites(block, statements.formula)
    choice = choose_settings(block, lattice.matrix)
    reading_as = partial(_reading, sites=sites, statements=statements, lattice=lattice)
    readings = [reading_as(setting) for setting in choice.settings]
    reading, reason = _decide(readings, choice, reading_as)
    found = [*choice.notes, *notes, *reading.comparison.notes, *([reason] if reason else [])]
    return _with_charges(reading.structure, sites), tuple(dict.fromkeys(found))


def _with_charges(structure: Structure, sites: Sequence[AtomSite]) -> Structure:
    """Give the atoms the charges of their type symbols (Fe3+), where all sites have one."""
    charges = {site.label: site.charge for site in sites if site.charge is not None}
    if not structure.is_ordered or len(charges) < len({site.label for site in sites}):
        return structure
    return structure.add_oxidation_state_by_site(
        [charges[str(label)] for label in structure.labels]
    )


def _reading(
    setting: Setting, sites: Sequence[AtomSite], statements: Statements, lattice: Lattice
) -> Reading:
    atoms = expand(sites, setting, lattice.matrix)
    comparison = compare(statements, sites, atoms, lattice.matrix)
    return Reading(setting, atoms, comparison, sites, lattice)


def _decide(
    readings: Sequence[Reading], choice: SymmetryChoice, reading_as: Callable[[Setting], Reading]
) -> tuple[Reading, str]:
    """Return the reading to take, and why where there was a choice."""
    if len(readings) == 1 and not choice.disagreement:
        _check_stated(readings[0], reading_as)
        return readings[0], ""
    left = [reading for reading in readings if not reading.fault]
    usual = [reading for reading in left if reading.closest >= USUAL_FRACTION]
    if len(left) > 1 and usual:
        left = usual
    if left and all(_same_crystal(left[0].structure, other.structure) for other in left[1:]):
        return left[0], _reason(left, [r for r in readings if r not in left], choice)
    names = " and ".join(reading.setting.name for reading in readings)
    because = choice.disagreement or f"{choice.reason} leaves open which of {names} is meant"
    if left:
        raise ContradictoryFileError(
            f"{because}, and the sites make sense in more than one",
            "symmetry operations, or a symbol with the code of its setting (:1, :2, :H, :R)",
            "add them, or a sum formula and Z that decide",
        )
    raise ContradictoryFileError(
        f"{because}, and none fits: "
        + "; ".join(f"as {reading.setting.name}, {reading.fault}" for reading in readings[:4]),
        "a file that agrees with itself",
        _REMEDY + _hint(readings, reading_as),
    )


def _check_stated(reading: Reading, reading_as: Callable[[Setting], Reading]) -> None:
    """Refuse what the stated setting makes of a file, if it contradicts the rest of it.

    Raises
    ------
    ContradictoryFileError
        Tells where another origin, or other axes, would fit.
    """
    contradictions = reading.comparison.contradictions[:3]
    others = other_settings(reading.setting, reading.lattice.matrix)
    if not contradictions and not (others and reading.fault):
        return
    hint = _hint([reading], reading_as)
    # Atoms that are too close have an error of their own, unless the setting is what is wrong.
    if contradictions or hint:
        raise ContradictoryFileError(
            "; ".join(contradictions) or reading.fault,
            f"a file that agrees with itself (read as {reading.setting.name})",
            _REMEDY + hint,
        )


def _hint(readings: Sequence[Reading], reading_as: Callable[[Setting], Reading]) -> str:
    """Say which other origins or axes of the same space group would make sense of a file."""
    tried = {reading.setting.key for reading in readings}
    names = [
        setting.name
        for setting in other_settings(readings[0].setting, readings[0].lattice.matrix)
        if setting.key not in tried and not reading_as(setting).fault
    ]
    return f"; it would agree with itself as {' or as '.join(names)}" if names else ""


def _reason(taken: Sequence[Reading], others: Sequence[Reading], choice: SymmetryChoice) -> str:
    """Say why a reading was taken; nothing where all of them are the same crystal."""
    if not others and not choice.disagreement:
        return ""
    because = choice.disagreement or f"{choice.reason} leaves the setting open"
    against = "; ".join(
        f"as {other.setting.name}, {other.fault or 'its contacts are short'}" for other in others
    )
    return f"{because}: taken as {taken[0].setting.name}" + (f" ({against})" if against else "")


def _structure(sites: Sequence[AtomSite], atoms: Atoms, lattice: Lattice) -> Structure:
    groups = []
    shared = _shared_places(sites, atoms, lattice)
    for site, positions, members in zip(sites, atoms.positions, shared, strict=True):
        if members:
            species = Composition(_species(members))
            # As pymatgen sorts a structure; whole sites are quicker to sort than atoms.
            key = (species.average_electroneg, species.formula)
            groups.append((key, species, positions, site.label))
    groups.sort(key=lambda group: group[0])
    return Structure(
        lattice,
        [species for _, species, positions, _ in groups for _ in positions],
        np.concatenate([positions for _, _, positions, _ in groups]),
        labels=[label for _, _, positions, label in groups for _ in positions],
    )


def _species(members: Sequence[AtomSite]) -> dict[str, float]:
    """Return the occupancies of the elements at one place.

    Raises
    ------
    ContradictoryFileError
        When they sum to more than one.
    """
    amounts: dict[str, float] = {}
    for member in members:
        amounts[member.element] = amounts.get(member.element, 0.0) + member.occupancy
    total = sum(amounts.values())
    if total > OCCUPANCY_TOLERANCE:
        names = ", ".join(member.label for member in members)
        raise ContradictoryFileError(
            f"the occupancies of {names}, at one place, sum to {total:g}",
            "at most one atom a place",
            "list each atom once",
        )
    scale = max(total, 1.0)
    return {element: amount / scale for element, amount in amounts.items()}


def _shared_places(
    sites: Sequence[AtomSite], atoms: Atoms, lattice: Lattice
) -> list[list[AtomSite]]:
    """Return the sites at the place of each site; none for a site that stands with an earlier one."""
    shared = [[site] for site in sites]
    owners = np.repeat(np.arange(len(sites)), [len(positions) for positions in atoms.positions])
    first = np.array([positions[0] for positions in atoms.positions])
    offsets = np.concatenate(atoms.positions)[:, None, :] - first[None, :, :]
    near = np.linalg.norm((offsets - np.rint(offsets)) @ lattice.matrix, axis=2) < SAME_ATOM
    for place, earlier in np.argwhere(near):
        owner = owners[place]
        if earlier < owner and shared[owner] and shared[earlier]:
            shared[earlier].append(shared[owner].pop())
    return shared


def _same_crystal(first: Structure, second: Structure) -> bool:
    """Tell whether two structures have the same distances between the same elements."""
    rows = _distances(first), _distances(second)
    return rows[0].shape == rows[1].shape and np.allclose(*rows, atol=1e-3)


def _distances(structure: Structure) -> NDArray[np.float64]:
    """Return all distances up to 5 angstrom, with the elements that they join, sorted."""
    numbers = np.array([site.species.elements[0].Z for site in structure])
    first, second, _, distances = structure.get_neighbor_list(5.0)
    pairs = np.sort(np.stack([numbers[first], numbers[second]]), axis=0)
    order = np.lexsort((distances, pairs[1], pairs[0]))
    rows: NDArray[np.float64] = np.stack([pairs[0], pairs[1], distances])[:, order]
    return rows


def _lattice(block: CifBlock) -> Lattice:
    a, b, c = (_length(block, axis) for axis in "abc")
    # 90 degrees is what the dictionary says of an angle that is not stated.
    stated = (block.number(f"_cell_angle_{name}") for name in ("alpha", "beta", "gamma"))
    alpha, beta, gamma = (90.0 if angle is None else angle for angle in stated)
    lattice = Lattice.from_parameters(a, b, c, alpha, beta, gamma)
    if not np.isfinite(lattice.matrix).all() or lattice.volume < 1.0:
        raise InvalidStructureError(
            f"the cell ({a:g}, {b:g}, {c:g} angstrom; {alpha:g}, {beta:g}, {gamma:g} degree) "
            "has no volume",
            "three-dimensional axes",
            "correct the cell",
        )
    return lattice


def _length(block: CifBlock, axis: str) -> float:
    length = block.number(f"_cell_length_{axis}")
    if not length:
        raise InvalidStructureError(
            f"the length of the cell along {axis} is not stated", "a, b and c in angstrom", "add it"
        )
    return length


def _refuse_what_is_no_plain_crystal(block: CifBlock) -> None:
    modulated = block.text("_cell_modulation_dimension")
    if modulated and as_number(modulated, "the dimension of the modulation"):
        raise InvalidStructureError(
            "the crystal is modulated and has no cell of its own", "a periodic crystal"
        )
    moments = [
        value
        for item, column in block.columns.items()
        if item.startswith("_atom_site_moment_") and not item.endswith(("label", "symmform"))
        for value in column
        if value and abs(as_number(value, "a magnetic moment")) > 1e-3
    ]
    if moments:
        raise MagneticIonError(
            "the file states magnetic moments",
            "a crystal without moments",
            "surfalign treats nonmagnetic crystals only",
        )
