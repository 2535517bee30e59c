"""What real VASP files have and a model of them easily lacks: read rightly, or refused by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import stub_vasp_files as files
import stub_vasp_model as model
from pymatgen.core import Structure
from pymatgen.io.vasp import Poscar

from surfalign.errors import ConvergenceError, EngineError, EngineKilledError, MetallicError
from surfalign.stores.documents import SurfaceDescription
from surfalign.workflows.engines.vasp.outputs.calculation import Calculation
from surfalign.workflows.engines.vasp.outputs.method import functional_name, method_of
from surfalign.workflows.engines.vasp.outputs.provenance import cost
from surfalign.workflows.engines.vasp.outputs.reading import (
    read_bulk,
    read_dielectric,
    read_slab_potential,
    read_slab_relaxation,
)
from surfalign.workflows.engines.vasp.outputs.step_context import StepContext

Stub = Callable[..., Path]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MESH = (4, 4, 4)


def context(step: str, folder: Path) -> StepContext:
    return StepContext(step, "standard", "", {}, NOW, 1, {step: folder})


def edit(path: Path, pattern: str, replacement: str, count: int = 0) -> None:
    text = path.read_text()
    changed = re.sub(pattern, replacement, text, count=count)
    assert changed != text
    path.write_text(changed)


# --- an OUTCAR that goes on after its end ----------------------------------------------------


@pytest.mark.parametrize("timers", [250, 1200])
def test_an_outcar_with_a_profile_behind_its_end_is_complete(
    timers: int, stub: Stub, mgo: Structure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_VASP_PROFILE", str(timers))
    folder = stub("static", "static", mgo, MESH)
    text = (folder / "OUTCAR").read_text()
    assert len(text) - text.index("General timing") > 20_000
    assert read_bulk(folder, mgo, context("bulk", folder)).energy == pytest.approx(-10.0, abs=0.2)
    assert cost(folder).memory == pytest.approx(0.05)
    assert cost(folder).wall_time > 0


def test_an_outcar_with_words_of_the_queue_behind_its_end_is_complete(
    stub: Stub, mgo: Structure
) -> None:
    folder = stub("static", "static", mgo, MESH)
    with (folder / "OUTCAR").open("a") as file:
        file.write("srun: job finished\n" * 3000)
    assert Calculation(folder).finished


def test_a_profile_without_the_end_before_it_is_no_end(stub: Stub, mgo: Structure) -> None:
    folder = stub("static", "static", mgo, MESH)
    text = (folder / "OUTCAR").read_text()
    (folder / "OUTCAR").write_text(text[: text.index(" General timing")] + files.outcar_profile())
    with pytest.raises(EngineKilledError, match="breaks off"):
        read_bulk(folder, mgo, context("bulk", folder))


@pytest.mark.parametrize(
    ("kilobytes", "gigabytes"),
    [(50_000, 0.05), (7_000_000, 7.0), (122_904_576, None), (317_702_144, None)],
)
def test_a_memory_that_no_machine_has_is_not_stored(
    kilobytes: int, gigabytes: float | None, stub: Stub, mgo: Structure
) -> None:
    folder = stub("static", "static", mgo, MESH)
    edit(
        folder / "OUTCAR",
        r"Maximum memory used \(kb\): +\S+",
        f"Maximum memory used (kb): {kilobytes}.",
    )
    edit(
        folder / "OUTCAR",
        "^",
        " total amount of memory used by VASP MPI-rank0    30000. kBytes\n",
        1,
    )
    assert cost(folder).memory == (gigabytes and pytest.approx(gigabytes))


# --- functionals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "name", "label"),
    [
        ({}, "PBEsol", "pbesol"),
        ({"METAGGA": "R2scan", "GGA": None}, "R2SCAN", "r2scan"),
        ({"METAGGA": "MBJ", "GGA": None}, "MBJ", "mbj"),
        ({"METAGGA": "None"}, "PBEsol", "pbesol"),
        ({"METAGGA": "--"}, "PBEsol", "pbesol"),
        ({"METAGGA": "Scan", "GGA": None, "LUSE_VDW": True}, "SCAN-vdW", "scan-vdw"),
        ({"GGA": "BO", "LUSE_VDW": True}, "optB88-vdW", "optb88-vdw"),
        ({"GGA": "LIBXC", "LIBXC1": "GGA_X_PBE_SOL", "LIBXC2": "GGA_C_PBE_SOL"},
         "libxc GGA_X_PBE_SOL GGA_C_PBE_SOL", "libxc-gga_x_pbe_sol-gga_c_pbe_sol"),
        ({"GGA": "Pe", "IVDW": 12}, "PBE +D3BJ", "pbe+d3bj"),
        ({"GGA": "Pe", "LVDW": True}, "PBE +D2", "pbe+d2"),
        ({"LDAU": True, "LDAUU": [3.0, 0.0], "LDAUJ": [0.0, 0.0], "LDAUL": [2, -1]},
         "PBEsol +U (Mg 3 eV)", "pbesol+u-Mg3"),
        ({"LDAU": True, "LDAUU": [0.0, 4.0], "LDAUJ": [0.0, 0.0], "LDAUL": [-1, -1]},
         "PBEsol", "pbesol"),
        ({"LSORBIT": True}, "PBEsol with spin-orbit coupling", "pbesol+soc"),
        ({"LHFCALC": True, "GGA": "B3", "AEXX": 0.2, "NELM": 100}, "B3, 20 % exact exchange", "b3lyp"),
        ({"LHFCALC": True, "GGA": "Pe", "AEXX": 0.25, "HFSCREEN": 0.2},
         "PBE, 25 % exact exchange, screened by 0.2/angstrom", "hse06"),
        ({"LHFCALC": True, "GGA": "Ps", "AEXX": 0.25, "HFSCREEN": 0.2},
         "PBEsol, 25 % exact exchange, screened by 0.2/angstrom", "hsesol"),
        ({"LHFCALC": True, "GGA": "Pe", "AEXX": 0.25, "HFSCREEN": 0.2, "LMODELHF": True},
         "PBE, 25 % exact exchange, screened by 0.2/angstrom, model kernel", "pbe-x0.25-w0.2-model"),
        ({"LHFCALC": True, "METAGGA": "R2scan", "GGA": None, "AEXX": 0.25}, "R2SCAN, 25 % exact exchange", "r2scan0"),
        ({"LHFCALC": True, "GGA": "Pe", "AEXX": 0.33}, "PBE, 33 % exact exchange", "pbe-x0.33"),
    ],
)  # fmt: skip
def test_the_name_of_a_functional_is_made_of_the_whole_method(
    tags: dict[str, object], name: str, label: str, stub: Stub, mgo: Structure
) -> None:
    run = Calculation(stub("run", "static", mgo, MESH, **tags))
    assert functional_name(run) == name
    assert method_of(run).label() == label


def test_only_a_fraction_that_follows_from_a_dielectric_constant_makes_ddh(
    stub: Stub, mgo: Structure
) -> None:
    run = Calculation(stub("run", "static", mgo, MESH, LHFCALC=True, GGA="Pe", AEXX=0.33))
    assert method_of(run).label(3.05) == "ddh"
    assert method_of(run).label(2.0) == "pbe-x0.33"
    b3 = Calculation(stub("b3", "static", mgo, MESH, LHFCALC=True, GGA="B3", AEXX=0.2))
    assert method_of(b3).label(5.0) == "b3lyp"


def test_what_vasp_says_that_it_read_counts_more_than_an_incar_that_was_edited_later(
    stub: Stub, mgo: Structure
) -> None:
    folder = stub("run", "static", mgo, MESH, METAGGA="R2scan", GGA=None)
    edit(folder / "INCAR", r"METAGGA.*\n", "")
    assert functional_name(Calculation(folder)) == "R2SCAN"
    edit(folder / "vasprun.xml", r".*METAGGA.*\n", "", count=1)
    (folder / "INCAR").write_text((folder / "INCAR").read_text() + "METAGGA = Scan\n")
    assert functional_name(Calculation(folder)) == "SCAN"


@pytest.mark.parametrize(
    ("title", "name"),
    [("PAW_GGA", "PW91"), ("PAW", "LDA"), ("US_GGA", "PW91")],
)
def test_where_no_functional_is_given_it_is_that_of_the_potentials(
    title: str, name: str, stub: Stub, mgo: Structure
) -> None:
    folder = stub("static", "static", mgo, MESH, GGA="None" if title == "PAW" else "--")
    edit(folder / "vasprun.xml", "PAW_PBE", title)
    assert functional_name(Calculation(folder)) == name


# --- runs that end without converging --------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["Normal", "All", "Fast"])
def test_a_semilocal_run_of_one_iteration_is_no_converged_run(
    algorithm: str, stub: Stub, mgo: Structure
) -> None:
    folder = stub("static", "static", mgo, MESH, NELM=1, ALGO=algorithm)
    with pytest.raises(ConvergenceError, match="ended after 1 steps"):
        read_bulk(folder, mgo, context("bulk", folder))


@pytest.mark.parametrize("algorithm", ["Eigenval", "Nothing", "None", "Subrot", "Exact"])
def test_fixed_orbitals_count_only_where_they_were_read(
    algorithm: str, stub: Stub, mgo: Structure
) -> None:
    folder = stub("static", "static", mgo, MESH, NELM=1, ALGO=algorithm)
    with pytest.raises(EngineError, match="nothing says that they were read"):
        read_bulk(folder, mgo, context("bulk", folder))
    again = folder.parent / "again"
    again.mkdir()
    (again / "WAVECAR").write_text("orbitals")
    stub("again", "static", mgo, MESH, NELM=1, ALGO=algorithm)
    assert read_bulk(again, mgo, context("bulk", again)).band_gap == pytest.approx(4.8)


def test_bands_at_fixed_density_must_converge_like_any_cycle(stub: Stub, mgo: Structure) -> None:
    folder = stub("start", "static", mgo, MESH, LCHARG=True)
    assert Calculation(folder).electronically_converged
    stub("start", "static", mgo, MESH, ICHARG=11, NELM=1)
    assert not Calculation(folder).electronically_converged


# --- metals ----------------------------------------------------------------------------------


def occupy(folder: Path, change: Callable[[int, int], str], electrons: float | None = None) -> None:
    """Give the bands of all k-points other occupations: ``change(k, band)``."""
    path, k, band = folder / "vasprun.xml", 0, 0
    lines = []
    for line in path.read_text().splitlines():
        if "kpoint" in line and "comment" in line:
            k, band = k + 1, 0
        found = re.match(r"\s+<r>(\s+-?[\d.]+)\s+([01]\.0+) </r>", line)
        if found:
            line = f"     <r>{found[1]} {change(k, band)} </r>"
            band += 1
        lines.append(line)
    path.write_text("\n".join(lines))
    if electrons is not None:
        edit(path, r'name="NELECT">[^<]*', f'name="NELECT"> {electrons}')


@pytest.mark.parametrize(
    ("change", "electrons", "words"),
    [
        (lambda k, band: f"{[1, 1, 1, 0.5, 0, 0, 0][band]:.4f}", 7.0, "are fractional .* 0.50"),
        (lambda k, band: f"{[1, 1, 1, 0.9, 0.1, 0, 0][band]:.4f}", None, "are fractional"),
        (lambda k, band: f"{[1, 1, 1, 0.0, 0, 0, 0][band]:.4f}", None, "hold 6 of 8 electrons"),
        (lambda k, band: f"{[1, 1, 1, 1, 1, 0, 0][band]:.4f}", 9.0, "hold 10 of 9 electrons"),
        (lambda k, band: f"{float(band < 4 + (k == 1)):.4f}", None, "cross the Fermi level: 4 to 5"),
    ],
)  # fmt: skip
def test_a_metal_is_known_by_its_electrons_even_with_one_k_point(
    change: Callable[[int, int], str],
    electrons: float | None,
    words: str,
    stub: Stub,
    mgo: Structure,
) -> None:
    mesh = (2, 2, 2) if "4 to 5" in words else (1, 1, 1)
    folder = stub("static", "static", mgo, mesh)
    occupy(folder, change, electrons)
    with pytest.raises(MetallicError, match=words):
        Calculation(folder).band_edges()


def test_noise_of_the_smearing_makes_no_metal(stub: Stub, mgo: Structure) -> None:
    folder = stub("static", "static", mgo, (1, 1, 1))
    occupy(folder, lambda k, band: f"{0.9999 if band < 4 else 0.0001:.4f}")
    assert Calculation(folder).band_edges().band_gap == pytest.approx(4.8)


def test_both_spins_and_spinors_are_counted(stub: Stub, mgo: Structure) -> None:
    for name, tags in (("spins", {"ISPIN": 2}), ("spinors", {"LSORBIT": True})):
        assert Calculation(stub(name, "static", mgo, MESH, **tags)).band_edges().band_gap > 4


# --- forces of held atoms --------------------------------------------------------------------


@pytest.fixture
def held(stub: Stub, mgo_surface: SurfaceDescription) -> Callable[[str], tuple[Path, Structure]]:
    """Relax a slab in which ``middle``, ``bottom`` or ``z`` (heights alone) may not move."""

    def relax(which: str) -> tuple[Path, Structure]:
        slab = mgo_surface.slab.copy()
        heights = slab.cart_coords[:, 2] - slab.cart_coords[:, 2].mean()
        away = {"middle": np.abs(heights) < 3.0, "bottom": heights < -2.0}.get(which)
        free = np.ones((len(slab), 3), dtype=bool)
        if away is None:
            free[:, :2] = False
        else:
            free[away] = False
        slab.add_site_property("selective_dynamics", free.tolist())
        return stub(which, "slab_relaxation", slab, (4, 4, 1)), mgo_surface.slab

    return relax


@pytest.mark.parametrize(
    ("which", "note"),
    [("middle", "inner_layers_held"), ("bottom", "one_side_held"), ("z", None)],
)
def test_forces_on_held_atoms_do_not_count_and_held_atoms_are_named(
    held: Callable[[str], tuple[Path, Structure]], which: str, note: str | None
) -> None:
    folder, slab = held(which)
    assert Poscar.from_file(folder / "POSCAR").selective_dynamics is not None
    assert np.linalg.norm(Calculation(folder).forces, axis=1).max() > 1.0
    document = read_slab_relaxation(
        folder, slab, context("slab_relaxation", folder), force_tolerance=0.02
    )
    assert document.converged
    assert document.max_force < 0.02
    notes = [warning.partition(":")[0] for warning in document.calculation.warnings]
    assert notes == ([note] if note else [])
    assert "selective_dynamics" not in document.structure.site_properties


# --- dielectric tensors ----------------------------------------------------------------------


@pytest.mark.parametrize("tags", [{}, {"IBRION": 6}, {"IBRION": 5}])
def test_the_dielectric_tensor_of_any_ionic_step_is_read(
    tags: dict[str, int], stub: Stub, mgo: Structure
) -> None:
    folder = stub("dfpt", "dielectric", mgo, MESH, **tags)
    document = read_dielectric(folder, mgo, context("dielectric", folder))
    assert document.dielectric_constant == pytest.approx(model.DIELECTRIC_CONSTANT)
    assert document.dielectric_constant_no_local_fields == pytest.approx(3.3)


# --- stars for numbers -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        ("</parameters>", '<i type="int" name="KINTER">******</i></parameters>'),
        ("</incar>", '<v type="int" name="NKRED">  2 ******** </v></incar>'),
        ("</parameters>", '<i name="TIME">********</i></parameters>'),
        ("</incar>", '<i type="string" name="ALGO">38</i></incar>'),
    ],
)
def test_a_complete_file_with_stars_that_nobody_needs_is_read(
    pattern: str, replacement: str, stub: Stub, mgo: Structure
) -> None:
    folder = stub("static", "static", mgo, MESH)
    edit(folder / "vasprun.xml", pattern, replacement)
    document = read_bulk(folder, mgo, context("bulk", folder))
    assert document.band_gap == pytest.approx(4.8)


@pytest.mark.parametrize(
    ("pattern", "replacement", "words"),
    [
        (r'name="NELM">[^<]*', 'name="NELM"> *****', r"complete.*NELM = \*\*\*\*\*"),
        (r'name="e_fr_energy">[^<]*', 'name="e_fr_energy"> ********', "no total energy"),
        (r"<r>[^<]* 1.0000", "<r> ******** 1.0000", "eigenvalues that cannot be read"),
    ],
)
def test_stars_that_are_needed_are_named_and_nobody_is_told_to_compute_again(
    pattern: str, replacement: str, words: str, stub: Stub, mgo: Structure
) -> None:
    folder = stub("static", "static", mgo, MESH)
    edit(folder / "vasprun.xml", pattern, replacement)
    with pytest.raises(EngineError, match=words) as caught:
        read_bulk(folder, mgo, context("bulk", folder))
    assert not isinstance(caught.value, EngineKilledError)


# --- LOCPOT ----------------------------------------------------------------------------------


def test_both_spins_of_a_potential_are_one(stub: Stub, mgo_surface: SurfaceDescription) -> None:
    slab = mgo_surface.slab
    plain = stub("plain", "slab_potential", slab, (1, 1, 1))
    spins = stub("spins", "slab_potential", slab, (1, 1, 1), ISPIN=2)
    assert (spins / "LOCPOT").stat().st_size > 1.9 * (plain / "LOCPOT").stat().st_size
    wanted, found = (
        read_slab_potential(f, slab, context("slab_potential", f), dipole_corrected=False)
        for f in (plain, spins)
    )
    assert found.planar_average == wanted.planar_average


@pytest.mark.parametrize("tags", [{"LVTOT": True}, {"LVTOT": True, "ISPIN": 2}])
def test_exchange_in_a_potential_is_known_by_its_mean_whatever_the_tags_say(
    tags: dict[str, object], stub: Stub, mgo_surface: SurfaceDescription
) -> None:
    folder = stub("p", "slab_potential", mgo_surface.slab, (1, 1, 1), LVHAR=None, **tags)
    with pytest.raises(EngineError, match=r"written with LVTOT and has a mean of -\d"):
        Calculation(folder).potential()
    edit(folder / "vasprun.xml", r".*LVTOT.*\n", "")
    edit(folder / "INCAR", r"LVTOT.*\n", "")
    with pytest.raises(EngineError, match=r"has a mean of .* holds exchange"):
        Calculation(folder).potential()


def test_spins_that_differ_are_no_electrostatic_potential(
    stub: Stub, mgo_surface: SurfaceDescription
) -> None:
    folder = stub("p", "slab_potential", mgo_surface.slab, (1, 1, 1), ISPIN=2)
    first, second = (folder / "LOCPOT").read_text().split("\n \n")
    head, values = second.lstrip().split("\n", 1)
    rows = values.split("\n")
    rows[len(rows) * 3 // 4] = " ".join(["1.0"] * len(rows[len(rows) * 3 // 4].split()))
    (folder / "LOCPOT").write_text(f"{first}\n \n {head}\n" + "\n".join(rows))
    with pytest.raises(EngineError, match=r"the two spins of LOCPOT .* differ by up to"):
        Calculation(folder).potential()


# --- files of two runs -----------------------------------------------------------------------


def test_files_of_two_runs_in_one_folder_are_refused(stub: Stub, mgo: Structure) -> None:
    folder = stub("static", "static", mgo, MESH)
    other = stub("other", "static", mgo * (1, 1, 2), MESH)
    (folder / "OUTCAR").write_bytes((other / "OUTCAR").read_bytes())
    with pytest.raises(EngineError, match=r"OUTCAR and vasprun.xml in .* are of different runs"):
        read_bulk(folder, mgo, context("bulk", folder))
