"""The file of properties, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from surfalign.errors import (
    ConfigurationError,
    MissingFileError,
    MissingUnitError,
    MixedLevelsError,
    MixedUnitsError,
    SurfalignError,
)
from surfalign.ml.properties.declarations import Declarations, read_declarations
from surfalign.ml.properties.property import Level, Transformation


def read(folder: Path, text: str) -> Declarations:
    file = folder / "properties.yaml"
    file.write_text(text)
    return read_declarations(file)


def test_a_whole_declaration_is_read(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """\
properties:
  dielectric_constant:
    unit: 1
    level: crystal
    transformation: log
    minimum: 1
    column: eps
  band_gap: {unit: eV, level: crystal, given_in: meV}
source: {functional: pbesol, method: dfpt}
""",
    )
    eps, gap = found.properties
    assert (eps.property.unit, eps.column, eps.given_in) == ("1", "eps", "1")
    assert eps.property.transformation is Transformation.LOG
    assert (gap.column, gap.given_in) == ("band_gap", "meV")
    assert found.level is Level.CRYSTAL
    assert found.fidelity.key == "table/pbesol/dfpt"


@pytest.mark.parametrize(
    ("properties", "error", "message"),
    [
        (
            "activity: {level: slab}",
            MissingUnitError,
            "activity has no unit.*'1' where it has none",
        ),
        ("band_gap: {level: crystal}", MissingUnitError, "Expected: eV, the unit of band_gap"),
        ("activity: {unit: A}", MixedLevelsError, "activity has no level.*slab, crystal"),
        ("activity: {unit: A, level: ion}", ConfigurationError, "level.*slab, crystal, atom"),
        ("charge: {level: atom}", MissingUnitError, "charge has no unit"),
        ("band_gap: {unit: eV, level: atom}", MixedLevelsError, "band_gap is declared for an atom"),
        (
            "charge: {unit: e, level: atom}, eps: {unit: 1, level: crystal}",
            MixedLevelsError,
            "charge: atom, eps: crystal",
        ),
        (
            "activity: {unit: A, level: slab}, eps: {unit: 1, level: crystal}",
            MixedLevelsError,
            "activity: slab, eps: crystal",
        ),
        ("surface_energy: {unit: J/m^2, level: crystal}", MixedLevelsError, "belongs to a surface"),
        (
            "surface_energy: {unit: eV/angstrom^2}",
            MixedUnitsError,
            r"declared in 'eV/angstrom\^2'.*given_in: eV/angstrom\^2",
        ),
        ("eps: {unit: eV, level: crystal, given_in: J/m^2}", MixedUnitsError, "given in 'J/m"),
        ("eps: {unit: 1, level: crystal, scale: log}", ConfigurationError, "scale.*transformation"),
        ("eps: {unit: 1, level: crystal, transformation: ln}", ConfigurationError, "log, log1p"),
        ("eps: {unit: 1, level: crystal, minimum: 3, maximum: 2}", ConfigurationError, "bounds 3"),
        ("'no name': {unit: 1, level: crystal}", ConfigurationError, "no name for a property"),
        (
            "ionization_potential: {unit: eV, transformation: log}",
            ConfigurationError,
            "IP and EA are learned as they are",
        ),
    ],
)
def test_a_mistake_is_named(
    tmp_path: Path, properties: str, error: type[SurfalignError], message: str
) -> None:
    with pytest.raises(error, match=message):
        read(tmp_path, f"properties: {{{properties}}}\n")


@pytest.mark.parametrize("text", ["", "[1, 2]", "properties: {}", "a: b: c"])
def test_what_is_no_file_of_properties_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"properties\.yaml"):
        read(tmp_path, text)
    with pytest.raises(MissingFileError, match="does not exist"):
        read_declarations(tmp_path / "absent.yaml")
