"""What identifies a crystal and a surface."""

from __future__ import annotations

import gzip
import json
import warnings
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Element, Lattice, Structure

from surfalign.physics.lattice.bond_network import ANIONS, bonds, coordination_sequences
from surfalign.physics.lattice.identifiers import (
    crystal_facts,
    earlier_surface_identifier,
    surface_identifier,
)
from surfalign.physics.lattice.symmetry import SymmetricCrystal, symmetrize

MakeCrystal = Callable[[str], Structure]


def shells(crystal: SymmetricCrystal, element: int) -> list[list[int]]:
    """Numbers of atoms in the shells of the sites of an element."""
    return [
        [sum(number for _, number in shell) for shell in sequence]
        for z, _, sequence in coordination_sequences(crystal)
        if z == element
    ]


def test_coordination_sequences_are_those_of_the_textbook(crystal: MakeCrystal) -> None:
    # O'Keeffe, Z. Kristallogr. 210, 905 (1995): rocksalt 4 k^2 + 2, wurtzite and diamond as below.
    rocksalt = symmetrize(crystal("rocksalt"))
    expected = [4 * k**2 + 2 for k in range(1, 7)]
    assert shells(rocksalt, 12) == shells(rocksalt, 8) == [expected]
    assert shells(symmetrize(crystal("wurtzite")), 30) == [[4, 12, 25, 44, 67, 96]]
    assert shells(symmetrize(crystal("zincblende")), 4) == [[4, 12, 24, 42, 64, 92]]


@pytest.mark.parametrize(
    ("name", "n_bonds"),
    [("rutile", 12), ("corundum", 24), ("quartz", 12), ("perovskite", 18), ("spinel", 32)],
)
def test_bonds_are_those_of_the_coordination_polyhedra(
    crystal: MakeCrystal, name: str, n_bonds: int
) -> None:
    sites, cells = bonds(symmetrize(crystal(name)))
    assert sites.shape == (n_bonds, 2)
    assert cells.shape == (n_bonds, 3)


def test_a_polymorph_with_other_bonds_is_told_apart() -> None:
    # Anatase, strained anatase, and the same atoms on the same kinds of places with eight bonds.
    anatase = _titania(3.785, 9.514, 0.2081)
    strained, squeezed = _titania(3.80, 9.40, 0.2081), _titania(4.4, 7.04, 0.2081)
    facts = [crystal_facts(symmetrize(s)) for s in (anatase, strained, squeezed)]
    assert {f[:2] for f in facts} == {("TiO2", 141)}
    assert facts[0] == facts[1] != facts[2]


def _titania(a: float, c: float, z: float) -> Structure:
    return Structure.from_spacegroup(
        141, Lattice.tetragonal(a, c), ["Ti", "O"], [[0, 0, 0], [0, 0, z]]
    )


@pytest.mark.parametrize(
    "name", ["rutile", "corundum", "quartz", "wurtzite", "perovskite", "spinel"]
)
def test_neither_cell_nor_noise_nor_strain_changes_the_facts(
    crystal: MakeCrystal, name: str
) -> None:
    structure = crystal(name)
    facts = crystal_facts(symmetrize(structure))
    assert crystal_facts(symmetrize(_disguised(structure, noise=1e-4))) == facts
    for scale in (0.99, 1.01):
        scaled = Structure(
            structure.lattice.scale(structure.volume * scale**3),
            structure.species,
            structure.frac_coords,
        )
        assert crystal_facts(symmetrize(scaled)) == facts


def test_facts_of_known_oxides_are_stable_and_differ(shared_data: Path) -> None:
    """Among 200 of the Materials Project's oxides with 4 to 12 atoms, and those of their formulas."""
    path = shared_data / "crystals" / "mp_oxides_8717.json.gz"
    records = json.loads(gzip.decompress(path.read_bytes()))
    chosen = [r for r in records if 4 <= r["nsites"] <= 12][:200]
    same: list[tuple[str, str]] = []
    known: dict[tuple[object, ...], list[tuple[str, SymmetricCrystal]]] = {}
    for record in chosen:
        structure = Structure.from_dict(record["structure"])
        crystal = symmetrize(structure)
        facts = crystal_facts(crystal)
        assert crystal_facts(symmetrize(_disguised(structure, noise=1e-4))) == facts
        known.setdefault(facts[:2], []).append((record["mp_id"], crystal))
    for group in known.values():
        for (one, first), (other, second) in combinations(group, 2):
            if crystal_facts(first) == crystal_facts(second):
                same.append((one, other))
    assert same == []


def _disguised(structure: Structure, noise: float) -> Structure:
    """The same crystal in another cell, origin, orientation and order, with noise (angstrom)."""
    rng = np.random.default_rng(len(structure))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    other = Structure(
        structure.lattice.matrix @ turn, structure.species, structure.frac_coords + rng.random(3)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other.make_supercell([[1, 1, 0], [0, 1, 0], [0, 0, 2]])
    other.perturb(noise)
    return Structure.from_sites([other[int(i)] for i in rng.permutation(len(other))])


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
    shells = ((8, 6),), ((12, 18),), ((8, 38),), ((12, 66),), ((8, 102),), ((12, 146),)
    turned = ((12, 6),), ((8, 18),), ((12, 38),), ((8, 66),), ((12, 102),), ((8, 146),)
    assert crystal_facts(magnesia) == ("MgO", 225, ((8, 1, turned), (12, 1, shells)))
    assert surface_identifier(magnesia, "MgO(100)-A", 22) == "87f15b174fa147dd"


def test_a_crystal_without_bonds_has_an_identifier() -> None:
    lonely = Structure(Lattice.cubic(9.0), ["O"], [[0, 0, 0]])
    assert crystal_facts(symmetrize(lonely))[2] == ((8, 1, ((),) * 6),)


@pytest.mark.parametrize(
    ("name", "identifier"),
    [("rocksalt", "5ed9fedd75bdad4a"), ("rutile", "9dcaca24842c9e80"), ("wurtzite", "8ea753b364af65b6"),
     ("perovskite", "a27438a9ab6e6cac"), (None, "edfde8a0a4bbcca3")],
)  # fmt: skip
def test_identifiers_of_version_0_1_stay_as_they_were(
    crystal: MakeCrystal, name: str | None, identifier: str
) -> None:
    # Given by that version itself.
    lonely = Structure(Lattice.cubic(9.0), ["O"], [[0, 0, 0]])
    found = symmetrize(crystal(name) if name else lonely)
    assert earlier_surface_identifier(found, "(100)-A", 22) == identifier


@pytest.mark.parametrize("anion", sorted(ANIONS))
def test_every_anion_is_bonded_to_its_cation_and_not_the_other_way_round(anion: str) -> None:
    structure = Structure.from_spacegroup(
        225, Lattice.cubic(5.7), ["Ca", anion], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    rock = symmetrize(structure)
    sites, _ = bonds(rock)
    assert {(int(rock.numbers[a]), int(rock.numbers[b])) for a, b in sites} == {
        (20, Element(anion).Z)
    }
    assert len(sites) == 6


def test_what_counts_as_an_anion_stays_as_it_is() -> None:
    assert frozenset(["N", "O", "F", "P", "S", "Cl", "As", "Se", "Br", "Te", "I"]) == ANIONS
