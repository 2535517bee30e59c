"""A tree of finished calculations as a group has it on its disk, made with the stand-in for VASP."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import stub_vasp_model as model
from pymatgen.core import Structure

from surfalign.workflows.surface_jobs import describe_surfaces

Run = Callable[..., Path]


def slab_of(bulk: Structure, index: tuple[int, int, int], thickness: float) -> Structure:
    (surface, *_) = describe_surfaces(
        bulk, source="test", miller_indices=[index], max_index=None,
        slab_thickness=thickness, vacuum_thickness=15.0,
    )  # fmt: skip
    return surface.slab


def compress(folder: Path) -> None:
    for path in list(folder.iterdir()):
        with gzip.open(f"{path}.gz", "wb") as file:
            file.write(path.read_bytes())
        path.unlink()


def make_tree(root: Path, run: Run, mgo: Structure, tio2: Structure) -> dict[str, Path]:
    """Make the tree; return its folders by what they are."""
    folders: dict[str, Path] = {}

    def calculate(
        name: str, where: str, kind: str, structure: Structure, mesh: Any, **tags: Any
    ) -> Path:
        folders[name] = run(root / where, kind, structure, mesh, **tags)
        return folders[name]

    mesh, slab_mesh = (4, 4, 4), (4, 4, 1)
    # MgO as atomate leaves it: one folder a calculation, everything compressed.
    calculate("bulk", "MgO/block_1/launcher_a", "semilocal", mgo, mesh)
    wave_functions = folders["bulk"] / "WAVECAR"
    for name, where, tags in (
        ("ddh", "MgO/block_1/launcher_b", {}),
        ("hse", "MgO/block_1/launcher_c", {"AEXX": 0.25, "HFSCREEN": 0.2, "ALGO": "Damped",
                                           "NELM": 100, "LWAVE": False}),
    ):  # fmt: skip
        (root / where).mkdir(parents=True)
        shutil.copy(wave_functions, root / where / "WAVECAR")
        calculate(name, where, "one_shot", mgo, mesh, **tags)
    calculate("dielectric", "MgO/block_1/launcher_d", "dielectric", mgo, mesh)
    calculate("relaxation", "MgO/block_2/launcher_a", "slab_relaxation", slab_of(mgo, (1, 0, 0), 12.0), slab_mesh)  # fmt: skip
    relaxed = Structure.from_file(folders["relaxation"] / "CONTCAR")
    calculate("potential", "MgO/block_2/launcher_b", "slab_potential", relaxed, slab_mesh)
    for name in ("bulk", "ddh", "hse", "dielectric", "relaxation", "potential"):
        compress(folders[name])
    # By hand: one run relaxed the slab and wrote its potential, in a supercell.
    wide = slab_of(mgo, (1, 1, 0), 12.0).copy().make_supercell([[1, 0, 0], [0, 2, 0], [0, 0, 1]])
    calculate("110", "by hand/MgO (110) 2x1", "slab_relaxation", wide, (3, 2, 1), LVHAR=True)
    # What does not fit.
    other = slab_of(mgo, (1, 0, 0), 16.0)
    calculate("400 eV", "old/MgO 100 ENCUT400", "slab_potential", other, slab_mesh, ENCUT=400)
    calculate("pbe", "old/MgO_100_PBE", "slab_potential", other, slab_mesh, GGA="Pe")
    strained = other.copy().apply_strain([0.012, 0.012, 0.0])
    calculate("strained", "old/MgO_100_exp_lattice", "slab_potential", strained, slab_mesh)
    calculate("no locpot", "old/MgO_100_no_locpot", "slab_potential", other, slab_mesh, LVHAR=None)
    calculate("truncated", "old/MgO_100_truncated", "slab_potential", other, slab_mesh)
    text = (folders["truncated"] / "vasprun.xml").read_text()
    (folders["truncated"] / "vasprun.xml").write_text(text[: len(text) // 2])
    calculate("killed", "old/MgO_100_killed", "slab_potential", other, slab_mesh)
    text = (folders["killed"] / "OUTCAR").read_text()
    (folders["killed"] / "OUTCAR").write_text(text[: len(text) // 2])
    calculate("no bulk", "old/TiO2_110", "slab_potential", slab_of(tio2, (1, 1, 0), 12.0), slab_mesh)  # fmt: skip
    calculate("600 eV hybrid", "old/MgO_ddh_600", "one_shot", mgo, mesh, ENCUT=600, ISTART=0, NELM=100, ALGO="All")  # fmt: skip
    (root / "notes").mkdir()
    (root / "notes" / "README.txt").write_text("nothing to see\n")
    return folders


def expected(fraction: float, volume: float, **method: bool) -> tuple[float, float]:
    """IP and EA of MgO."""
    return model.expected_levels(["Mg", "O"], volume, fraction, **method)
