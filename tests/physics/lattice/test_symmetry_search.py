"""spglib's ways of finding nothing are one."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import spglib

from surfalign.physics.lattice.symmetry_search import ask_spglib

CELL = (np.eye(3) * 4.0, np.zeros((1, 3)), [8])


@pytest.mark.parametrize("old_handling", ["true", "false"])
def test_atoms_at_one_place_have_no_symmetry(
    old_handling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPGLIB_OLD_ERROR_HANDLING", old_handling)
    doubled = (CELL[0], np.zeros((2, 3)), [8, 8])
    assert ask_spglib(spglib.get_symmetry_dataset, doubled, 1e-3) is None
    found = ask_spglib(spglib.get_symmetry_dataset, CELL, 1e-3)
    assert found.number == 221


@pytest.mark.skipif(not hasattr(spglib, "error"), reason="this spglib returns None instead")
def test_spglibs_own_error_is_no_answer_and_any_other_is_raised() -> None:
    def refusing(kind: type[Exception]) -> Any:
        def search(cell: Any, symprec: float) -> None:
            raise kind("nothing found")

        return search

    assert ask_spglib(refusing(spglib.error.SpglibError), CELL, 1e-3) is None
    with pytest.raises(ValueError, match="nothing found"):
        ask_spglib(refusing(ValueError), CELL, 1e-3)


def test_only_what_spglib_says_of_its_own_change_is_silenced() -> None:
    def search(cell: Any, symprec: float) -> float:
        warnings.warn("errors will be raised", DeprecationWarning, stacklevel=1)
        warnings.warn("the tolerance is large", UserWarning, stacklevel=1)
        return symprec

    with pytest.warns(UserWarning, match="tolerance") as caught:
        assert ask_spglib(search, CELL, 0.02) == 0.02
    assert len(caught) == 1
