"""Oxygen phase diagrams of stored results."""

from __future__ import annotations

import pytest
from stored_faces import face, rutile
from stored_results import store

from surfalign.crystals.sources import load_crystal
from surfalign.errors import DocumentNotFoundError, PhysicsInputError
from surfalign.stores.database import Database
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.shapes.oxygen_phases import oxygen_phases
from surfalign.stores.shapes.selection import select
from surfalign.stores.shapes.shape import crystal_shape

SNO2 = load_crystal("SnO2")
#: One atom on each face of such an area changes the surface energy by 1 J/m^2 per eV.
AREA = 16.02176634


def changed(ending: str, excess: int, at_zero: float, ip: float) -> SurfaceLevelsDocument:
    return face(
        "SnO2", (1, 1, 0), 0.0, ending=f"B-{ending}", surface_energy=None, area=AREA,
        surface_energy_oxygen_rich=at_zero, excess_oxygen=excess, oxygen_reference="water",
        ionization_potential=ip,
    )  # fmt: skip


@pytest.fixture
def stored(database: Database) -> Database:
    store(
        database,
        *rutile(),
        changed("reduced", -2, 3.04, 7.9),
        changed("oxidised", 2, 0.54, 10.0),
    )
    return database


def test_the_stable_surface_and_its_level_change_with_the_potential(stored: Database) -> None:
    made = oxygen_phases(select(stored, SNO2), (1, 1, 0))

    found = [(r.low, r.high, made.documents[r.number].ionization_potential) for r in made.ranges]
    assert found == [
        (-4.0, pytest.approx(-2.0), 7.9),
        (pytest.approx(-2.0), pytest.approx(-0.5), 9.0),
        (pytest.approx(-0.5), 0.0, 10.0),
    ]
    assert made.reference == "water"


def test_a_correction_of_the_oxygen_energy_shifts_the_borders(stored: Database) -> None:
    made = oxygen_phases(select(stored, SNO2), (1, 1, 0), correction=0.3)

    assert [r.high for r in made.ranges[:-1]] == [pytest.approx(-2.3), pytest.approx(-0.8)]


def test_surfaces_whose_energy_depends_on_oxygen_make_no_shape(stored: Database) -> None:
    names = {t.document.surface_name for t in crystal_shape(select(stored, SNO2)).terminations}

    assert len(names) == 4
    assert not any(name.endswith(("reduced", "oxidised")) for name in names)


def test_an_orientation_without_results_is_refused(stored: Database) -> None:
    with pytest.raises(DocumentNotFoundError, match=r"no result of SnO2 .* orientation \(111\)"):
        oxygen_phases(select(stored, SNO2), (1, 1, 1))


def test_an_empty_range_is_refused(stored: Database) -> None:
    with pytest.raises(PhysicsInputError, match="between 0 and -1 eV"):
        oxygen_phases(select(stored, SNO2), (1, 1, 0), low=0.0, high=-1.0)
