"""Equal slabs under different names are found, and slabs that merely look alike are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from learning_data import slab_entries, toy_dataset, write_slab_file
from pymatgen.core import Lattice, Structure
from typer.testing import CliRunner

from surfalign.crystals.sources import load_crystal
from surfalign.launchers.cli.main import app
from surfalign.ml.data.equal_slabs import find_equal_slabs
from surfalign.ml.data.records import Label, SurfaceRecord, surface_record
from surfalign.physics.slabs.enumeration import enumerate_slabs

FIDELITY, OTHER = "a/ddh/x", "b/hse/y"


def slab(name: str, thickness: float = 8.0, vacuum: float = 12.0, index: int = 0) -> Structure:
    miller_index = {0: (1, 1, 0), 1: (1, 0, 0)}[index]
    found, *_ = enumerate_slabs(
        load_crystal(name).structure,
        miller_index,
        slab_thickness=thickness,
        vacuum_thickness=vacuum,
    )
    structure: Structure = found.slab.remove_site_property("bulk_site")
    return structure


def record(name: str, structure: Structure, ip: float, fidelity: str = FIDELITY) -> SurfaceRecord:
    label = Label(name="ionization_potential", value=ip, unit="eV", fidelity=fidelity)
    return surface_record(name, structure, "test", labels=[label])


def moved(structure: Structure) -> Structure:
    shift = structure.frac_coords + np.array([0.3, 0.1, 0.4])
    order = np.random.default_rng(1).permutation(len(structure))
    return Structure(structure.lattice, [structure[i].specie for i in order], shift[order])


def mirrored(structure: Structure) -> Structure:
    return Structure(
        Lattice(structure.lattice.matrix * [-1, 1, 1]), structure.species, structure.frac_coords
    )


def axes_renamed(structure: Structure) -> Structure:
    return Structure(
        Lattice(structure.lattice.matrix[[2, 0, 1]]),
        structure.species,
        structure.frac_coords[:, [2, 0, 1]],
    )


def noisy(structure: Structure) -> Structure:
    return structure.copy().perturb(0.002)


DISGUISES = {
    "moved and reordered": moved,
    "mirrored": mirrored,
    "laterally repeated": lambda s: s * (2, 1, 1),
    "with its axes renamed": axes_renamed,
    "with the digits of a file": noisy,
    "as it is": lambda s: s,
}


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("name", ["TiO2-rutile", "MgO", "SnO2"])
def test_a_slab_is_known_again_in_every_disguise(disguise: str, name: str) -> None:
    known = slab(name)
    other = DISGUISES[disguise](known)
    (group,) = find_equal_slabs([record("a", known, 7.0), record("b", other, 10.0)])
    assert group.names == ("a", "b")
    assert group.spreads == {("ionization_potential", FIDELITY): pytest.approx(3.0)}


def test_more_vacuum_is_no_other_slab() -> None:
    records = [record("a", slab("MgO"), 7.0), record("b", slab("MgO", vacuum=25.0), 7.2)]
    assert len(find_equal_slabs(records)) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (slab("MgO"), slab("CaO")),
        (slab("MgO"), slab("MgO", index=1)),
        (slab("MgO"), slab("MgO", thickness=14.0)),
        (slab("TiO2-rutile"), slab("TiO2-rutile", index=1)),
        (slab("TiO2-rutile"), slab("TiO2-anatase")),
        (slab("MgO"), slab("MgO").copy().apply_strain(0.01)),
    ],
)
def test_other_slabs_are_not_taken_for_equal(one: Structure, other: Structure) -> None:
    assert find_equal_slabs([record("a", one, 7.0), record("b", other, 10.0)]) == []


def test_relaxation_at_the_surface_makes_another_slab() -> None:
    known = slab("MgO")
    relaxed = known.copy()
    relaxed.translate_sites(
        [int(np.argmax(known.cart_coords[:, 2]))], [0, 0, 0.3], frac_coords=False
    )
    assert find_equal_slabs([record("a", known, 7.0), record("b", relaxed, 10.0)]) == []


def test_labels_of_other_methods_are_no_spread() -> None:
    records = [record("a", slab("MgO"), 7.0), record("b", slab("MgO"), 9.0, OTHER)]
    (group,) = find_equal_slabs(records)
    assert group.spreads == {}


def test_the_largest_spread_comes_first_and_unlabelled_slabs_do_not_count() -> None:
    records = [
        record("a", slab("MgO"), 7.0), record("b", slab("MgO"), 7.1),
        record("c", slab("CaO"), 6.0), record("d", slab("CaO"), 6.5), record("e", slab("CaO"), 5.0),
        surface_record("f", slab("SrO"), "test"), surface_record("g", slab("SrO"), "test"),
    ]  # fmt: skip
    groups = find_equal_slabs(records)
    assert [group.names for group in groups] == [("c", "d", "e"), ("a", "b")]
    assert groups[0].spreads[("ionization_potential", FIDELITY)] == pytest.approx(1.5)


def test_freezing_says_which_slabs_are_equal_and_how_far_their_labels_are_apart(
    tmp_path: Path,
) -> None:
    entries = slab_entries(toy_dataset(4))
    again = entries[0] | {"name": "again", "ip_ev": entries[0]["ip_ev"] + 3.0}
    path = write_slab_file([*entries, again], tmp_path / "slabs.json.gz")
    output = tmp_path / "x.dataset.json.gz"
    result = CliRunner().invoke(app, ["learn", "freeze", "--slabs", str(path), "-o", str(output)])
    assert result.exit_code == 0, result.output
    assert "equal slabs: 2 of the names are 1 slabs" in result.output
    assert f"{entries[0]['name']}, again" in result.output or "again, " in result.output
    assert "ionization_potential 3.00 eV" in result.output
