"""Real VASP files, where they are at hand: every number against a reading of its own.

They are not part of this repository. The source distribution of aiida-vasp holds some (VASP 5.3 to 6.4)::

    pip download --no-deps --no-binary :all: aiida-vasp
    PUBLISHED_VASP_FILES=aiida_vasp-5.1.0.tar.gz pytest tests/workflows/engines/vasp/outputs -k published
"""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

from surfalign.errors import EngineError, MetallicError, SurfalignError
from surfalign.workflows.engines.vasp.imports.finding import classify
from surfalign.workflows.engines.vasp.outputs.calculation import Calculation
from surfalign.workflows.engines.vasp.outputs.method import functional_name
from surfalign.workflows.engines.vasp.outputs.provenance import cost

SOURCE = os.environ.get("PUBLISHED_VASP_FILES")

pytestmark = pytest.mark.skipif(
    SOURCE is None, reason="PUBLISHED_VASP_FILES names no folder or archive with real VASP files"
)

Run = tuple[Path, ElementTree.Element | None]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Folder and parsed XML (None where it breaks off) of each vasprun.xml."""
    root = Path(SOURCE or ".")
    if root.is_file():
        unpacked = tmp_path_factory.mktemp("published")
        with tarfile.open(root) as archive:
            archive.extractall(unpacked, filter="data")
        root = unpacked
    return [(path.parent, parsed(path)) for path in sorted(root.rglob("vasprun.xml"))]


def parsed(path: Path) -> ElementTree.Element | None:
    try:
        return ElementTree.parse(path).getroot()
    except ElementTree.ParseError:
        return None


def whole(runs: list[Run]) -> Iterator[tuple[Path, ElementTree.Element]]:
    for folder, tree in runs:
        if tree is not None and tree.find("calculation") is not None:
            yield folder, tree


def parameter(tree: ElementTree.Element, name: str) -> str:
    found = tree.find(f"parameters//i[@name='{name}']")
    return (found.text or "").strip() if found is not None else ""


def levels(tree: ElementTree.Element) -> NDArray[np.float64] | None:
    """Eigenvalues and occupations, shape (n_spins, n_k, n_bands, 2)."""
    (*_, last) = [None, *tree.iterfind("calculation/eigenvalues/array/set")]
    if last is None:
        return None
    return np.array(
        [[[list(map(float, (r.text or "").split())) for r in k] for k in spin] for spin in last]
    )


def outcar(folder: Path) -> str:
    path = folder / "OUTCAR"
    return path.read_text(errors="replace") if path.is_file() else ""


def test_there_are_published_files(runs: list[Run]) -> None:
    assert len(list(whole(runs))) >= 20


def test_published_files_that_break_off_are_named(runs: list[Run]) -> None:
    for folder, tree in runs:
        if tree is None:
            with pytest.raises(EngineError, match="cannot be read to its end"):
                _ = Calculation(folder).vasprun


def test_published_energies_are_those_of_outcar(runs: list[Run]) -> None:
    compared = 0
    for folder, _ in whole(runs):
        found = re.findall(r"energy\(sigma->0\) =\s*(-?\d+\.\d+)", outcar(folder))
        run = Calculation(folder)
        if not found or not run.finished:
            continue
        if abs(run.energy - float(found[-1])) > 2e-6:  # some folders hold files of two runs
            with pytest.raises(EngineError, match="are of different runs"):
                run.require_converged()
            continue
        compared += 1
    assert compared > 10


def test_published_band_edges_follow_from_electrons_and_eigenvalues(runs: list[Run]) -> None:
    insulators = 0
    for folder, tree in whole(runs):
        values = levels(tree)
        if values is None:
            continue
        per_band = 2 if len(values) == 1 and parameter(tree, "LNONCOLLINEAR") != "T" else 1
        counts = (values[..., 1] > 0.5).sum(axis=2)
        same = (counts == counts[:, :1]).all()
        partial = ((values[..., 1] > 0.02) & (values[..., 1] < 0.98)).any()
        held = per_band * counts[:, 0].sum()
        if not same or partial or abs(held - float(parameter(tree, "NELECT"))) > 0.01:
            with pytest.raises(MetallicError):
                Calculation(folder).band_edges()
            continue
        top = max(spin[:, n - 1, 0].max() for spin, n in zip(values, counts[:, 0], strict=True))
        bottom = min(spin[:, n, 0].min() for spin, n in zip(values, counts[:, 0], strict=True))
        edges = Calculation(folder).band_edges()
        assert (edges.valence_band_maximum, edges.conduction_band_minimum) == (top, bottom), folder
        insulators += 1
    assert insulators > 10


def test_published_potentials_at_the_cores_and_times_are_those_of_outcar(runs: list[Run]) -> None:
    compared = 0
    for folder, _ in whole(runs):
        text, run = outcar(folder), Calculation(folder)
        block = re.findall(r"norm of the test charge is.*?\n(.*?)\n\s*\n", text, re.DOTALL)
        if not block or not run.finished:
            continue
        potentials = [float(v) for v in re.findall(r"\d+\s*(-\d+\.\d{4})", block[-1])]
        assert run.site_potentials.tolist() == potentials, folder
        elapsed = re.search(r"Elapsed time \(sec\):\s*([\d.]+)", text)
        assert cost(folder).wall_time == float(elapsed[1] if elapsed else 0), folder
        compared += 1
    assert compared > 10


def test_published_dielectric_tensors_are_found_in_any_step(runs: list[Run]) -> None:
    compared = 0
    for folder, tree in whole(runs):
        found = tree.findall("calculation/varray[@name='epsilon']")
        tensor, _ = Calculation(folder).dielectric_tensors
        if not found:
            assert tensor.size == 0
            continue
        wanted = [list(map(float, (v.text or "").split())) for v in found[-1]]
        assert tensor.tolist() == wanted, folder
        compared += 1
    assert compared > 0


def test_published_functionals_are_those_of_their_tags(runs: list[Run]) -> None:
    names = {"PS": "PBEsol", "PE": "PBE"}
    for folder, tree in whole(runs):
        given = parameter(tree, "GGA").upper()
        if given in names and parameter(tree, "LHFCALC") != "T":
            assert functional_name(Calculation(folder)).split()[0] == names[given], folder


def test_published_folders_are_used_or_refused_by_name(runs: list[Run]) -> None:
    used = 0
    for folder, _ in runs:
        with suppress(SurfalignError):  # any other exception is a fault of ours
            classify(folder)
            used += 1
    assert used > 10
