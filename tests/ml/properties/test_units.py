"""Units: the factor from one to another, and what measures something else."""

from __future__ import annotations

import re

import pytest

from surfalign.errors import MixedUnitsError
from surfalign.ml.properties.units import factor, units_like


@pytest.mark.parametrize(
    ("given", "wanted", "expected"),
    [
        ("eV", "eV", 1.0),
        ("meV", "eV", 1e-3),
        ("Ha", "eV", 27.211386245988),
        ("Ry", "eV", 13.605693122994),
        ("eV/angstrom^2", "J/m^2", 16.02176634),
        ("meV/Å²", "J/m²", 0.01602176634),
        ("J m^-2", "J/m^2", 1.0),
        ("kbar", "GPa", 0.1),
        ("eV/Å^3", "GPa", 160.2176634),
        ("meV/atom", "eV/atom", 1e-3),
        ("kcal/mol", "kJ/mol", 4.184),
        ("%", "1", 0.01),
        ("g/cm^3", "kg/m^3", 1000.0),
        ("mA/cm^2", "ampere/m^2", 10.0),
    ],
)
def test_a_unit_is_converted_to_another_of_its_kind(
    given: str, wanted: str, expected: float
) -> None:
    assert factor(given, wanted, "x") == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("eV", "J/m^2"), ("eV", "eV/atom"), ("kJ/mol", "eV"), ("eV", "1"), ("1", "GPa")],
)
def test_units_of_other_kinds_are_refused_with_those_that_would_do(given: str, wanted: str) -> None:
    with pytest.raises(MixedUnitsError, match=f"gap is given in '{given}'.*: {re.escape(wanted)}"):
        factor(given, wanted, "gap")


def test_an_unknown_unit_is_kept_and_converted_to_no_other() -> None:
    assert factor("turnovers/site", "turnovers/site", "activity") == 1.0
    with pytest.raises(MixedUnitsError, match="no known unit: turnovers/site"):
        factor("turnovers/site", "1", "activity")
    assert {"eV", "meV", "Ha", "Ry"} <= set(units_like("eV"))
    assert units_like("turnovers/site") == []
