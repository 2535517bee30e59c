"""Folders of calculations as disks, people and transfers leave them."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from pymatgen.core import Structure
from stub_vasp_calculations import run_stub
from stub_vasp_tree import slab_of

MESH, SLAB_MESH = (4, 4, 4), (4, 4, 1)
_FILES = ("vasprun.xml", "OUTCAR", "LOCPOT", "INCAR")
_ELEMENTS = ("eigenvalues", "kpoints", "parameters", "atominfo", "calculation", "set", "incar")
#: What custodian wrote ten years ago, and what a killed one leaves.
_LOGS = (
    json.dumps([{"corrections": [{"errors": ["tet"], "actions": []}], "job": {}}]),
    "", "[", "null", '[{"corrections": ["text"]}]',
)  # fmt: skip
#: Runs of another kind than those that are used: what each is called, and its tags.
_OTHERS = {
    "nmr": {"LCHIMAG": True},
    "gw": {"ALGO": "G0W0"},
    "field": {"EFIELD": 0.1},
    "dynamics": {"IBRION": 0, "NSW": 3},
    "unconverged": {"NELM": 1},
}


def calculations(root: Path, bulk: Structure) -> dict[str, Path]:
    """Run the calculations that odd folders are made of: a pair that fits, and runs of other kinds."""
    made = {
        "bulk": run_stub(root / "bulk", "semilocal", bulk, MESH),
        "slab": run_stub(
            root / "slab", "slab_potential", slab_of(bulk, (1, 0, 0), 12.0), SLAB_MESH
        ),
    }
    for name, tags in _OTHERS.items():
        made[name] = run_stub(root / name, "static", bulk, MESH, **tags)
    return made


def odd_tree(root: Path, number: int, made: dict[str, Path], chance: random.Random) -> list[Path]:
    """Make so many folders, every kind as often as the others; return them."""
    root.mkdir(parents=True)
    folders = []
    for n in range(number):
        kind = list(KINDS)[n % len(KINDS)]
        folder = root / f"{n // 50:02d}" / f"{n:03d} {kind}"
        source = made[kind] if kind in made else made[chance.choice(("bulk", "slab"))]
        folder.parent.mkdir(exist_ok=True)
        if kind.startswith("link"):
            KINDS[kind](folder, source, chance)
        else:
            shutil.copytree(source, folder)
            KINDS[kind](folder, source, chance)
        folders.append(folder)
    return folders


# --- each kind; the folder is a copy of the source, but for links ---------------------------


def _file(folder: Path, chance: random.Random) -> Path:
    return chance.choice([folder / name for name in _FILES if (folder / name).is_file()])


def _whole(folder: Path, source: Path, chance: random.Random) -> None:
    pass


def _cut(folder: Path, source: Path, chance: random.Random) -> None:
    path = _file(folder, chance)
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(len(content))])


def _empty_file(folder: Path, source: Path, chance: random.Random) -> None:
    _file(folder, chance).write_bytes(b"")


def _noise(folder: Path, source: Path, chance: random.Random) -> None:
    _file(folder, chance).write_bytes(chance.randbytes(300))


def _flipped(folder: Path, source: Path, chance: random.Random) -> None:
    path = _file(folder, chance)
    changed = bytearray(path.read_bytes())
    for _ in range(20):
        changed[chance.randrange(len(changed))] = chance.randrange(32, 127)
    path.write_bytes(bytes(changed))


def _without_an_element(folder: Path, source: Path, chance: random.Random) -> None:
    path, tag = folder / "vasprun.xml", chance.choice(_ELEMENTS)
    path.write_text(re.sub(rf"<{tag}\b.*?</{tag}>", "", path.read_text(), flags=re.DOTALL))


def _without_a_file(folder: Path, source: Path, chance: random.Random) -> None:
    _file(folder, chance).unlink()


def _folder_for_a_file(folder: Path, source: Path, chance: random.Random) -> None:
    path = _file(folder, chance)
    path.unlink()
    path.mkdir()


def _pipe_for_a_file(folder: Path, source: Path, chance: random.Random) -> None:
    path = _file(folder, chance)
    path.unlink()
    os.mkfifo(path)


def _half_archive(folder: Path, source: Path, chance: random.Random) -> None:
    path = _file(folder, chance)
    packed = gzip.compress(path.read_bytes())
    path.unlink()
    path.with_name(f"{path.name}.gz").write_bytes(packed[: len(packed) // 2])


def _old_custodian(folder: Path, source: Path, chance: random.Random) -> None:
    (folder / "custodian.json").write_text(chance.choice(_LOGS))


def _inputs_only(folder: Path, source: Path, chance: random.Random) -> None:
    for path in folder.iterdir():
        if path.name not in ("INCAR", "KPOINTS", "POSCAR", "POTCAR.spec"):
            path.unlink()


def _nothing(folder: Path, source: Path, chance: random.Random) -> None:
    for path in folder.iterdir():
        path.unlink()


def _with_a_circle(folder: Path, source: Path, chance: random.Random) -> None:
    (folder / "up").symlink_to(folder.parent)
    (folder / "self").symlink_to("self")


def _link(folder: Path, source: Path, chance: random.Random) -> None:
    folder.symlink_to(source)


#: Every kind, and what makes it. Names in ``_OTHERS`` are copies of such runs.
KINDS: dict[str, Callable[[Path, Path, random.Random], None]] = {
    "whole": _whole,
    "cut": _cut,
    "empty file": _empty_file,
    "noise": _noise,
    "flipped": _flipped,
    "without an element": _without_an_element,
    "without a file": _without_a_file,
    "folder for a file": _folder_for_a_file,
    "pipe for a file": _pipe_for_a_file,
    "half archive": _half_archive,
    "old custodian": _old_custodian,
    "inputs only": _inputs_only,
    "nothing": _nothing,
    "circle": _with_a_circle,
    "link": _link,
    **dict.fromkeys(_OTHERS, _whole),
}
