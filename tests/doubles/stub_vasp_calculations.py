"""Finished calculations of ``stub_vasp``, made in 0.1 s each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from pymatgen.core import Structure
from pymatgen.io.vasp.inputs import Incar, Kpoints, Poscar

STUB = Path(__file__).parent / "stub_vasp"
BASE = {"ENCUT": 520, "GGA": "Ps", "EDIFF": 1e-6, "ISMEAR": 0, "SIGMA": 0.05, "LCHARG": False}
#: Tags of each kind of calculation.
TAGS: dict[str, dict[str, Any]] = {
    "bulk": {"NSW": 60, "IBRION": 2, "ISIF": 3, "EDIFFG": -0.005, "LWAVE": False},
    "static": {"LWAVE": False},
    "dielectric": {"LEPSILON": True, "LWAVE": False},
    "semilocal": {"LVHAR": True, "LWAVE": True},
    "one_shot": {"LHFCALC": True, "AEXX": 0.33, "GGA": "Pe", "ALGO": "Eigenval", "NELM": 1, "ISTART": 1},
    "slab_relaxation": {"NSW": 60, "IBRION": 2, "ISIF": 2, "EDIFFG": -0.02, "LWAVE": False},
    "slab_potential": {"LVHAR": True, "LWAVE": False},
}  # fmt: skip


def run_stub(
    folder: Path, kind: str, structure: Structure, mesh: tuple[int, int, int] | Kpoints, **tags: Any
) -> Path:
    """Write the inputs of a calculation and run the stand-in for VASP; return the folder.

    ``mesh`` is centred at Gamma; k-points of another kind are given as they are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = BASE | TAGS[kind] | tags
    Incar({k: v for k, v in wanted.items() if v is not None}).write_file(folder / "INCAR")
    poscar = Poscar(structure.get_sorted_structure())
    poscar.write_file(folder / "POSCAR", significant_figures=16)
    points = mesh if isinstance(mesh, Kpoints) else Kpoints.gamma_automatic(mesh)
    points.write_file(folder / "KPOINTS")
    (folder / "POTCAR.spec").write_text("\n".join(poscar.site_symbols))
    with (folder / "vasp.out").open("w") as out, (folder / "std_err.txt").open("w") as err:
        subprocess.run([sys.executable, STUB], cwd=folder, stdout=out, stderr=err, check=False)
    return folder
