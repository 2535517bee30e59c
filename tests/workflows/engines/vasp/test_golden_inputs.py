"""The inputs of eight oxides do not change unseen; every tag has a reason."""

from __future__ import annotations

from pathlib import Path

import pytest
import vasp_protocol
from pymatgen.io.vasp import Incar
from vasp_protocol import EXAMPLES, golden_cells, inputs_text, planned

GOLDEN = Path(__file__).parent / "golden"
PAGE = Path(__file__).parents[4] / "docs" / "explanation" / "vasp-protocol.md"
RENEW = "renew with: python docs/pages/vasp_protocol.py"
#: What the base sets of atomate2 and pymatgen put into an INCAR and surfaces cannot bear.
TRAPS = {"LVTOT", "KSPACING", "LORBIT", "LAECHG", "METAGGA", "ADDGRID", "NCORE", "KPAR"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_inputs_are_those_that_were_reviewed(name: str) -> None:
    expected = (GOLDEN / f"{name}.txt").read_text()
    assert inputs_text(golden_cells(GOLDEN, name)) == expected, f"{RENEW} --inputs {GOLDEN}"


def test_the_tables_of_the_docs_are_those_of_the_code() -> None:
    assert vasp_protocol.renewed(PAGE.read_text()) == PAGE.read_text(), f"{RENEW} {PAGE}"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"functional": "hse06", "self_consistent": True},
        {"functional": "pbe0"},
        {"functional": "pbesol"},
        {"hubbard_u": True, "spin_orbit": "on"},
        {"quality": "quick"},
        {"quality": "converged"},
    ],
)
def test_every_tag_has_one_line_of_reason_and_no_trap(options: dict[str, object]) -> None:
    for name in ("PbO-litharge", "TiO2-rutile"):
        for folder, calculation in planned(golden_cells(GOLDEN, name), **options).items():
            for tag, (_, reason) in calculation.inputs.tags.items():
                assert 1 < len(reason) < 80, (folder, tag)
                assert "\n" not in reason
                assert "|" not in reason  # it stands in a table
            assert not TRAPS & set(calculation.inputs.tags), folder
            assert calculation.inputs.tags["ISMEAR"].value == 0
            assert ("MAGMOM" in calculation.inputs.tags) == ("LSORBIT" in calculation.inputs.tags)


@pytest.mark.parametrize("name", ["MgO", "SrTiO3", "PbO-litharge"])
def test_the_files_on_disk_say_the_same(name: str, tmp_path: Path) -> None:
    calculations = planned(
        golden_cells(GOLDEN, name), hubbard_u=True, spin_orbit="heavy", self_consistent=True
    )
    for folder, calculation in calculations.items():
        inputs = calculation.inputs
        inputs.write_input(str(tmp_path / folder), potcar_spec=True)
        found = Incar.from_file(tmp_path / folder / "INCAR")
        wanted = Incar({tag: value for tag, (value, _) in inputs.tags.items()})
        assert found.keys() == wanted.keys()
        assert str(found) == str(wanted)
        symbols = (tmp_path / folder / "POTCAR.spec").read_text().split()
        assert symbols == inputs.potcar_symbols
        assert len(symbols) == len(set(symbols)), "each element stands once in a POSCAR"
