"""What identifies a crystal and a surface."""

from __future__ import annotations

from collections.abc import Callable

from pymatgen.core import Lattice, Structure

from surfalign.physics.lattice.identifiers import crystal_numbers, surface_identifier
from surfalign.physics.lattice.symmetry import symmetrize

MakeCrystal = Callable[[str], Structure]


def test_polymorphs_of_one_space_group_are_told_apart() -> None:
    # Anatase, and the same atoms on the same kinds of places: by their volume, and, in a cell of equal
    # volume, by their surroundings.
    anatase = _titania(3.785, 9.514, 0.2081)
    dense, squeezed = _titania(3.6, 9.514, 0.2081), _titania(4.4, 7.04, 0.2081)
    assert abs(squeezed.volume / anatase.volume - 1) < 1e-3
    numbers = [crystal_numbers(symmetrize(s)) for s in (anatase, dense, squeezed)]
    assert {n[:3] for n in numbers} == {("TiO2", 141, ((8, 4), (22, 2)))}
    assert len(set(numbers)) == 3


def _titania(a: float, c: float, z: float) -> Structure:
    return Structure.from_spacegroup(
        141, Lattice.tetragonal(a, c), ["Ti", "O"], [[0, 0, 0], [0, 0, z]]
    )


def test_each_fact_enters_the_identifier(crystal: MakeCrystal) -> None:
    magnesia, rutile = (symmetrize(crystal(name)) for name in ("rocksalt", "rutile"))
    identifiers = {
        surface_identifier(magnesia, "MgO(100)-A", 22),
        surface_identifier(magnesia, "MgO(110)-A", 22),
        surface_identifier(magnesia, "MgO(100)-A", 24),
        surface_identifier(rutile, "MgO(100)-A", 22),
    }
    assert len(identifiers) == 4
    assert all(len(text) == 16 and int(text, 16) >= 0 for text in identifiers)


def test_identifiers_stay_as_they_are(crystal: MakeCrystal) -> None:
    # Stored results and plans hold them: a change here is a new identity for every surface.
    magnesia = symmetrize(crystal("rocksalt"))
    assert crystal_numbers(magnesia) == ("MgO", 225, ((8, 1), (12, 1)), 72, 2)
    assert surface_identifier(magnesia, "MgO(100)-A", 22) == "4940753029203216"
