"""Potentials that help, and potentials that crash, hang, lie or do not know the crystal."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from surfalign.crystals.sources import load_crystal
from surfalign.errors import ConfigurationError, EngineError
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.slabs.enumeration import enumerate_slabs
from surfalign.settings import Settings
from surfalign.workflows.engines.relaxation.model_hessian import model_hessian
from surfalign.workflows.engines.relaxation.potential.anomalies import anomalies, disagreement
from surfalign.workflows.engines.relaxation.potential.choice import chosen_potentials
from surfalign.workflows.engines.relaxation.potential.process import (
    PotentialAnswer,
    ask_potential,
)
from surfalign.workflows.engines.relaxation.start import BULK_CUT, RelaxationStart, find_start
from surfalign.workflows.engines.relaxation.symmetric_space import symmetric_space

PAIRS = (Path(__file__).parents[3] / "doubles" / "pair_potential.py").read_text()
CRASHES = "import os\ndef calculator():\n    os.abort()\n"
RAISES = "def calculator():\n    raise RuntimeError('weights are broken')\n"
HANGS = "import time\ndef calculator():\n    time.sleep(600)\n"
NOT_FINITE = PAIRS.replace(
    'self.results["forces"] = forces', 'self.results["forces"] = forces * np.nan'
)
UNKNOWN = PAIRS.replace("12: 2.0, ", "20: 2.0, ")
SMALL_BULK = PAIRS.replace("430.0", "200.0")


def slab_and_bulk() -> tuple[Structure, Structure]:
    crystal = symmetrize(load_crystal("MgO").structure)
    (surface,) = enumerate_slabs(crystal, (1, 0, 0), slab_thickness=9.0, vacuum_thickness=12.0)
    return surface.slab, surface.oriented_bulk


def start_with(code: str, folder: Path) -> RelaxationStart:
    file = folder / "potential.py"
    file.write_text(code)
    slab, bulk = slab_and_bulk()
    return find_start(slab, bulk, lambda _: None, potentials=[str(file)])


@pytest.mark.programs
def test_a_potential_gives_displacements_and_hessian(tmp_path: Path) -> None:
    start = start_with(PAIRS, tmp_path)
    slab, _ = slab_and_bulk()
    shift = start.positions - slab.cart_coords
    assert start.refusals == ()
    assert start.name == "potential.py"
    assert start.fallback is not None
    assert 0.001 < np.abs(shift).max() < 0.5
    np.testing.assert_allclose(shift[:, :2], 0.0, atol=1e-9)
    assert np.linalg.eigvalsh(start.hessian.matrix).min() > 0


@pytest.mark.programs
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (CRASHES, "it ended with status"),
        (RAISES, "weights are broken"),
        (NOT_FINITE, "it ended with status|not finite|own minimum"),
        (UNKNOWN, "KeyError: 12|status 1: KeyError"),
        (SMALL_BULK, "its own bulk differs by"),
    ],
    ids=["crashes", "raises", "not finite", "unknown element", "wrong bulk"],
)
def test_a_potential_that_fails_is_named_and_left_out(
    code: str, reason: str, tmp_path: Path
) -> None:
    start = start_with(code, tmp_path)
    assert start.name == BULK_CUT
    slab, _ = slab_and_bulk()
    np.testing.assert_allclose(start.positions, slab.cart_coords)
    assert len(start.refusals) >= 1
    assert any(re.search(reason, text) for text in start.refusals)


@pytest.mark.processes
def test_a_potential_that_hangs_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text(HANGS)
    slab, bulk = slab_and_bulk()
    space = symmetric_space(slab)
    with pytest.raises(EngineError, match="no answer within 3 s"):
        ask_potential(
            str(tmp_path / "hangs.py"), slab, bulk, space, model_hessian(slab, space), time_limit=3
        )


def answer(height: float) -> PotentialAnswer:
    shift = np.array([[0.0, 0.0, height], [0.0, 0.0, -height]])
    return PotentialAnswer(shift, np.eye(1), 0.1, 0.001, np.zeros(3))


def test_two_potentials_must_agree() -> None:
    assert disagreement([answer(0.1)]) == ""
    assert disagreement([answer(0.1), answer(0.2)]) == ""
    assert disagreement([answer(0.1), answer(-0.1)]) == "they disagree by 0.20 angstrom"


def test_a_slab_that_collapses_is_no_start() -> None:
    slab = Structure(Lattice.tetragonal(4, 20), ["Mg", "O"], [[0, 0, 0.45], [0, 0, 0.55]])
    assert anomalies(slab, answer(0.1)) == []
    (reason,) = anomalies(slab, answer(0.5))
    assert reason == "atoms come as close as 50% of the shortest distance"


@pytest.mark.programs
@pytest.mark.skipif(find_spec("chgnet") is None, reason="chgnet is not installed")
def test_chgnet_moves_the_planes_of_a_rutile_face_as_they_are_known_to_move() -> None:
    crystal = symmetrize(load_crystal("TiO2-rutile").structure)
    surface = enumerate_slabs(crystal, (1, 1, 0), slab_thickness=9.0, vacuum_thickness=12.0)[0]
    start = find_start(surface.slab, surface.oriented_bulk, lambda _: None, potentials=["chgnet"])
    assert start.name == "chgnet"
    outward = (start.positions - surface.slab.cart_coords)[:, 2]
    metals = [i for i, site in enumerate(surface.slab) if site.specie.symbol == "Ti"]
    top = sorted(metals, key=lambda i: surface.slab.cart_coords[i, 2])[-2:]
    # Of the outermost two titanium planes the five-fold one moves inward, the six-fold one outward.
    assert outward[top].min() < -0.05
    assert outward[top].max() > 0.05


def test_the_settings_choose_the_potential(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(PAIRS)
    assert chosen_potentials(Settings(start_potential="none")) == []
    assert chosen_potentials(Settings(start_potential=str(file))) == [str(file)]
    assert len(chosen_potentials(Settings(start_potential="auto"))) <= 1
    with pytest.raises(ConfigurationError, match="neither a known potential nor a file"):
        chosen_potentials(Settings(start_potential="oracle"))
