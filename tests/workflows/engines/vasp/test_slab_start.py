"""VASP's relaxation of a slab starts where a pretrained potential puts the atoms, or at the cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Structure

from surfalign.crystals.sources import load_crystal
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.slabs.enumeration import enumerate_slabs
from surfalign.stores.documents import SlabRelaxationDocument
from surfalign.workflows.engines.relaxation.start import BULK_CUT
from surfalign.workflows.engines.vasp.inputs.settings import preset
from surfalign.workflows.engines.vasp.makers import VaspSlabRelaxMaker

PAIRS = Path(__file__).parents[3] / "doubles" / "pair_potential.py"

pytestmark = [pytest.mark.programs, pytest.mark.filterwarnings("ignore")]


def slab_and_bulk() -> tuple[Structure, Structure]:
    crystal = symmetrize(load_crystal("MgO").structure)
    (surface,) = enumerate_slabs(crystal, (1, 0, 0), slab_thickness=9.0, vacuum_thickness=12.0)
    return surface.slab, surface.oriented_bulk


def relaxed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> SlabRelaxationDocument:
    """What the step makes, in a folder."""
    folder.mkdir()
    monkeypatch.chdir(folder)
    maker = VaspSlabRelaxMaker(settings=preset("quick"))
    answer = maker.make.original(maker, *slab_and_bulk())
    assert isinstance(answer, SlabRelaxationDocument)
    return answer


def first_positions(folder: Path) -> np.ndarray:
    """Where the written inputs have the atoms, by height and then by place."""
    (file,) = folder.glob("archive/slab_relaxation/*/*/relax/POSCAR.orig.gz")
    return sorted_rows(Structure.from_file(file))


def sorted_rows(structure: Structure) -> np.ndarray:
    rows = np.round(np.column_stack([structure.atomic_numbers, structure.frac_coords % 1.0]), 6)
    return np.asarray(rows[np.lexsort(rows.T)])


def test_the_potential_moves_the_atoms_that_vasp_starts_from(
    stub_engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURFALIGN_START_POTENTIAL", str(PAIRS))
    found = relaxed(tmp_path / "run", monkeypatch)
    slab, _ = slab_and_bulk()
    assert found.start == PAIRS.name
    assert found.start_refusals == []
    np.testing.assert_allclose(found.initial_structure.cart_coords, slab.cart_coords)
    moved = first_positions(tmp_path)[:, 3] - sorted_rows(slab)[:, 3]
    assert 0.001 < np.abs(moved).max() * slab.lattice.c < 0.5


def test_a_potential_that_fails_leaves_the_cut_and_its_reason(
    stub_engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("def calculator():\n    raise RuntimeError('weights are broken')\n")
    monkeypatch.setenv("SURFALIGN_START_POTENTIAL", str(broken))
    found = relaxed(tmp_path / "run", monkeypatch)
    slab, _ = slab_and_bulk()
    assert found.start == BULK_CUT
    assert "weights are broken" in found.start_refusals[0]
    np.testing.assert_allclose(first_positions(tmp_path), sorted_rows(slab), atol=2e-6)


def test_a_step_that_goes_on_keeps_the_start_it_had(
    stub_engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURFALIGN_START_POTENTIAL", str(PAIRS))
    relaxed(tmp_path / "run", monkeypatch)
    monkeypatch.setenv("SURFALIGN_START_POTENTIAL", "none")
    (folder,) = (tmp_path / "run").glob("slab_relaxation-*")
    maker = VaspSlabRelaxMaker(settings=preset("quick"))
    again = maker.make.original(maker, *slab_and_bulk(), prev_dir=str(folder), continuation=1)
    assert again.start == PAIRS.name
