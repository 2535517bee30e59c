"""Reading of INCAR, POSCAR, KPOINTS and the titles of POTCAR for ``stub_vasp``; numpy only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from stub_vasp_model import Crystal


class InputError(Exception):
    """What VASP would stop at."""


@dataclass
class Inputs:
    crystal: Crystal
    comment: str
    incar: dict[str, str]
    k_points: np.ndarray
    weights: np.ndarray
    mesh: tuple[str, list[int]] | None
    titles: list[str] = field(default_factory=list)
    divisions: int = 0  # points of each line of a band structure
    free: np.ndarray | None = None  # (n, 3) of bool, where POSCAR says what may move

    def flag(self, key: str, default: bool = False) -> bool:
        value = self.incar.get(key)
        return default if value is None else value.strip(".").upper().startswith("T")

    def integer(self, key: str, default: int) -> int:
        return int(float(self.incar.get(key, default)))

    def number(self, key: str, default: float) -> float:
        return float(self.incar.get(key, default))

    def text(self, key: str, default: str) -> str:
        return self.incar.get(key, default).strip()

    @property
    def one_shot(self) -> bool:
        algo = self.text("ALGO", "Normal").lower()
        return algo in ("eigenval", "none", "nothing", "subrot") or self.integer("NELM", 60) == 1

    @property
    def kind(self) -> str:
        """Which step of the protocol this is; failures are injected by it."""
        relaxing = self.integer("NSW", 0) > 0 and self.integer("IBRION", -1) in (1, 2, 3)
        if self.flag("LEPSILON"):
            return "dielectric"
        if self.flag("LHFCALC"):
            return "hybrid"
        if self.crystal.is_slab:
            return "slab_relaxation" if relaxing else "slab_potential"
        if relaxing:
            return "bulk"
        if self.integer("ICHARG", 2) >= 10:
            return "bands"
        if self.flag("LVHAR") or self.flag("LVTOT"):
            return "semilocal"
        return "density" if self.flag("LCHARG", True) else "oriented_bulk"


def read_inputs(directory: Path) -> Inputs:
    crystal, comment = read_poscar(directory / "POSCAR")
    incar = read_incar(directory / "INCAR")
    mesh, k_points, weights = read_kpoints(directory / "KPOINTS", incar, crystal)
    titles = read_titles(directory, crystal)
    free = read_free(directory / "POSCAR", len(crystal.symbols))
    return Inputs(
        crystal, comment, incar, k_points, weights, mesh, titles,
        read_divisions(directory / "KPOINTS"), free,
    )  # fmt: skip


def read_divisions(path: Path) -> int:
    lines = path.read_text().splitlines() if path.is_file() else []
    return int(lines[1].split()[0]) if len(lines) > 2 and lines[2].strip()[:1] in ("l", "L") else 0


def read_free(path: Path, n_atoms: int) -> np.ndarray | None:
    lines = path.read_text().splitlines()
    if lines[7].strip()[:1] not in ("S", "s"):
        return None
    rows = [line.split()[3:6] for line in lines[9 : 9 + n_atoms]]
    return np.array([[word.upper().startswith("T") for word in row] for row in rows])


def read_incar(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise InputError("No INCAR found, STOPPING")
    tags = {}
    for line in path.read_text().splitlines():
        for part in re.split(r"[#!]", line)[0].split(";"):
            key, found, value = part.partition("=")
            if found:
                tags[key.strip().upper()] = value.strip()
    return tags


def read_poscar(path: Path) -> tuple[Crystal, str]:
    if not path.is_file():
        raise InputError("ERROR: there must be 1 or 3 items on line 2 of POSCAR")
    lines = path.read_text().splitlines()
    scale = float(lines[1].split()[0])
    cell = np.array([[float(x) for x in line.split()[:3]] for line in lines[2:5]])
    cell *= scale if scale > 0 else (-scale / abs(np.linalg.det(cell))) ** (1 / 3)
    species, counts = lines[5].split(), [int(n) for n in lines[6].split()]
    symbols = [s.split("_")[0] for s, n in zip(species, counts, strict=True) for _ in range(n)]
    start = 8 if lines[7].strip()[:1] in "sS" else 7
    rows = lines[start + 1 : start + 1 + len(symbols)]
    positions = np.array([[float(x) for x in row.split()[:3]] for row in rows])
    if lines[start].strip()[:1] in "cCkK":
        positions = positions * scale @ np.linalg.inv(cell)
    return Crystal(cell, symbols, positions), lines[0].strip()


def read_kpoints(
    path: Path, incar: dict[str, str], crystal: Crystal
) -> tuple[tuple[str, list[int]] | None, np.ndarray, np.ndarray]:
    """Return (style, divisions) of a mesh or None, the k-points and their weights."""
    if not path.is_file():
        spacing = float(incar.get("KSPACING", 0.5))
        reciprocal = 2 * np.pi * np.linalg.inv(crystal.cell).T
        divisions = [max(1, int(np.ceil(n / spacing))) for n in np.linalg.norm(reciprocal, axis=1)]
        return ("Gamma", divisions), *mesh_points("Gamma", divisions)
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    number = int(lines[1].split()[0])
    if number == 0:
        style = "Gamma" if lines[2].strip()[:1] in "gG" else "Monkhorst-Pack"
        divisions = [int(float(x)) for x in lines[3].split()[:3]]
        return (style, divisions), *mesh_points(style, divisions)
    if lines[2].strip()[:1] in "lL":
        return None, *line_points(lines[4:], number)
    rows = [[float(x) for x in line.split("!")[0].split()[:4]] for line in lines[3 : 3 + number]]
    table = np.array(rows)
    return None, table[:, :3], table[:, 3] / max(table[:, 3].sum(), 1e-30)


def mesh_points(style: str, divisions: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """The mesh, reduced by time reversal."""
    axes = []
    for n in divisions:
        axis = np.arange(n) / n
        if style != "Gamma" and n % 2 == 0:
            axis = axis + 0.5 / n
        axes.append((axis + 0.5) % 1.0 - 0.5)
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    weights: dict[tuple[float, ...], int] = {}
    for point in points:
        keys = [tuple(np.round((p + 0.5) % 1.0 - 0.5, 8) + 0.0) for p in (point, -point)]
        key = keys[0] if keys[0] in weights else keys[1] if keys[1] in weights else keys[0]
        weights[key] = weights.get(key, 0) + 1
    return np.array(list(weights)), np.array(list(weights.values())) / len(points)


def line_points(lines: list[str], number: int) -> tuple[np.ndarray, np.ndarray]:
    """The points on the segments of a line-mode file, all of equal weight."""
    ends = np.array([[float(x) for x in line.split("!")[0].split()[:3]] for line in lines])
    points = np.concatenate(
        [np.linspace(a, b, number) for a, b in zip(ends[::2], ends[1::2], strict=True)]
    )
    return points, np.full(len(points), 1 / len(points))


def read_titles(directory: Path, crystal: Crystal) -> list[str]:
    """One title for each species of POSCAR, from POTCAR, or from POTCAR.spec in its place."""
    potcar, spec = directory / "POTCAR", directory / "POTCAR.spec"
    if potcar.is_file():
        return [m.strip() for m in re.findall(r"TITEL\s*=(.*)", potcar.read_text())]
    if spec.is_file():
        return [f"PAW_PBE {name} 01Jan2000" for name in spec.read_text().split()]
    raise InputError("ERROR: no POTCAR found, STOPPING")
