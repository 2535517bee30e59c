"""LOCPOT: the potential that is averaged, or what is not that."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pymatgen.io.vasp.outputs import Locpot

from surfalign.errors import EngineError
from surfalign.workflows.engines.vasp.outputs.files import named

#: A mean of LOCPOT, or a difference of its spins, that is not zero, eV.
_MEAN_POTENTIAL = 0.01


def read_potential(path: Path, *, total: bool) -> NDArray[np.float64]:
    """Return the electrostatic potential energy of an electron on the grid, eV.

    VASP puts the average of ionic plus Hartree potential at zero, so the average tells whether it is
    that potential, whatever the tags say; and it is one potential for both spins.

    Parameters
    ----------
    path
        The LOCPOT.
    total
        Whether the total potential was asked for (LVTOT), for the message.

    Raises
    ------
    EngineKilledError
        When LOCPOT is broken off.
    EngineError
        When it holds the exchange-correlation potential too.
    """
    with named(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spins = [np.asarray(v, dtype=float) for v in dict.values(Locpot.from_file(path).data)]
    first, *others = spins
    mean, found = float(first.mean()), ""
    if not abs(mean) < _MEAN_POTENTIAL:
        asked = " was written with LVTOT and" if total else ""
        found = f"LOCPOT in {path.parent}{asked} has a mean of {mean:.3f} eV"
    elif len(others) == 1 and (apart := np.abs(others[0] - first).max()) > _MEAN_POTENTIAL:
        found = f"the two spins of LOCPOT in {path.parent} differ by up to {apart:.3f} eV"
    if found:
        raise EngineError(
            f"{found}: it holds exchange and correlation, which do not decay into the vacuum as the "
            "alignment needs",
            "ionic plus Hartree potential alone (LVHAR = .TRUE.), whose mean is zero",
            "repeat this static calculation with LVHAR instead of LVTOT",
        )
    return first
