"""``surfalign inputs``: every file that would be needed, and its cost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pymatgen.io.vasp import Incar, Kpoints, Poscar
from typer.testing import CliRunner

from surfalign.errors import ConfigurationError
from surfalign.launchers.cli.main import app

runner = CliRunner()
#: Quick settings: small slabs.
QUICK = ["inputs", "MgO", "--quality", "quick", "--engine", "vasp"]


def test_all_files_of_all_steps_are_written(tmp_path: Path) -> None:
    result = runner.invoke(app, [*QUICK, "--dry-run", str(tmp_path / "new"), "--json"])
    assert result.exit_code == 0, result.output
    steps = json.loads(result.stdout)
    assert [step["step"].removeprefix("MgO(100)-A ") for step in steps] == [
        "bulk", "dielectric", "band edges", "oriented bulk", "slab relaxation", "slab potential",
    ]  # fmt: skip
    for step in steps:
        folders = [path.parent for path in Path(step["folder"]).rglob("INCAR")]
        assert folders
        for folder in folders:
            assert Incar.from_file(folder / "INCAR")["ENCUT"] == 520
            assert Kpoints.from_file(folder / "KPOINTS")
            assert len(Poscar.from_file(folder / "POSCAR").structure) == step["n_atoms"]
            assert (folder / "POTCAR.spec").read_text().split() == ["Mg", "O"]
            assert not (folder / "POTCAR").exists()
        assert step["core_hours"] > 0
        assert step["wall_time"] > 0
    assert {step["kind"] for step in steps if step["step"] == "band edges"} == {"gpu"}


def test_slabs_with_changed_oxygen_come_with_the_molecules_that_their_energy_needs(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "new"
    result = runner.invoke(app, [*QUICK, "--oxygen", "--dry-run", str(folder), "--json"])
    assert result.exit_code == 0, result.output
    atoms = {step["step"]: step["n_atoms"] for step in json.loads(result.stdout)}
    plain = atoms["MgO(100)-A slab potential"]
    assert atoms["MgO(100)-A-reduced slab potential"] == plain - 2
    assert atoms["MgO(100)-A-oxidised slab relaxation"] == plain + 2
    assert (atoms["water molecule"], atoms["hydrogen molecule"]) == (3, 2)
    molecules = [folder / name for name in ("water_molecule", "hydrogen_molecule")]
    for incar in [path for place in molecules for path in place.rglob("INCAR")]:
        # Energies are compared with those of the slabs.
        assert Incar.from_file(incar)["ENCUT"] == 520
        assert "LDIPOL" not in Incar.from_file(incar)
    specs = [(next(place.rglob("POTCAR.spec"))).read_text().split() for place in molecules]
    assert specs == [["H", "O"], ["H"]]


def test_the_table_adds_up_what_it_costs(tmp_path: Path) -> None:
    result = runner.invoke(
        app, [*QUICK, "--dry-run", str(tmp_path / "new")], env={"COLUMNS": "160"}
    )
    assert result.exit_code == 0, result.output
    assert "slab relaxation" in result.stdout
    assert "total" in result.stdout
    notes = (tmp_path / "new" / "band_edges" / "NOTES.txt").read_text()
    assert "AEXX" in notes


def test_protocol_and_options_reach_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    options = ["--protocol", "hse06", "--self-consistent", "--spin-orbit", "on", "--no-relax"]
    result = runner.invoke(app, [*QUICK, *options, "--dry-run", str(folder)])
    assert result.exit_code == 0, result.output
    assert not (folder / "dielectric").exists()
    assert not list(folder.rglob("slab_relaxation"))
    one_shot = Incar.from_file(folder / "band_edges" / "one_shot" / "INCAR")
    assert one_shot["HFSCREEN"] == 0.208
    assert one_shot["LSORBIT"] is True
    final = Incar.from_file(folder / "band_edges" / "self_consistent" / "INCAR")
    assert final["ALGO"] == "Normal"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--protocol", "jacs"], "no protocol 'jacs'"),
        (["--spin-orbit", "maybe"], "spin_orbit is 'maybe'"),
        (["--engine", "gpaw"], "is not started from input files"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, options: list[str], message: str) -> None:
    result = runner.invoke(app, [*QUICK, *options, "--dry-run", str(tmp_path / "new")])
    assert isinstance(result.exception, ConfigurationError)
    assert message in str(result.exception)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    result = runner.invoke(app, [*QUICK, "--dry-run", str(tmp_path)])
    assert isinstance(result.exception, ConfigurationError)
    assert "not an empty folder" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
