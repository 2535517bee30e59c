"""Grimme's D3 correction for dispersion, with damping after Becke and Johnson, in the PBEsol steps.

PBEsol lacks the attraction between distant charge fluctuations that holds layers together. The correction adds a sum
over pairs of atoms to energies and forces and leaves the density, hence the levels at given positions, as they are
(S. Grimme et al., J. Comput. Chem. 32, 1456 (2011), doi:10.1002/jcc.21759). The parameters are those that simple-dftd3
holds for PBEsol, with pairs alone, as VASP has them (``IVDW = 12``).
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from ase.units import Bohr, Hartree
from numpy.typing import NDArray

from surfalign.errors import ConfigurationError, MissingDependencyError

if TYPE_CHECKING:
    from ase import Atoms

Dispersion = Literal["off", "d3bj"]

_FUNCTIONAL = "pbesol"


def require_dispersion(choice: str) -> None:
    """Refuse a correction that is unknown, or whose library is absent.

    Raises
    ------
    ConfigurationError
        When it is neither ``off`` nor ``d3bj``.
    MissingDependencyError
        When simple-dftd3 is not installed.
    """
    if choice not in get_args(Dispersion):
        raise ConfigurationError(
            f"dispersion is {choice!r}",
            f"one of {', '.join(get_args(Dispersion))}",
            "write --option dispersion=d3bj",
        )
    if choice != "off":
        library_version()


def library_version() -> str:
    """Return the version of simple-dftd3.

    Raises
    ------
    MissingDependencyError
        When it is not installed.
    """
    try:
        import dftd3.interface  # noqa: F401  # a package without its compiled library is none
    except ImportError as error:
        raise MissingDependencyError(
            f"simple-dftd3, which computes the correction for dispersion, cannot be used: {error}",
            "the Python package dftd3",
            "pip install 'surfalign[dispersion]', or leave --option dispersion out",
        ) from error
    return version("dftd3")


def d3_correction(atoms: Atoms) -> tuple[float, NDArray[np.float64]]:
    """Return the energy (eV) and the forces (eV/angstrom, shape (n_atoms, 3)) that dispersion adds.

    Parameters
    ----------
    atoms
        Periodic along all three axes; across 15 angstrom of vacuum slabs attract each other by some mJ/m^2.

    Raises
    ------
    MissingDependencyError
        When simple-dftd3 is not installed.
    """
    library_version()
    from dftd3.interface import DispersionModel, RationalDampingParam

    model = DispersionModel(
        atoms.numbers, atoms.positions / Bohr, atoms.cell.array / Bohr, np.ones(3, dtype=bool)
    )
    damping = RationalDampingParam(method=_FUNCTIONAL)  # type: ignore[no-untyped-call]
    found = model.get_dispersion(damping, grad=True)
    forces = -np.asarray(found["gradient"], dtype=float) * Hartree / Bohr
    return float(found["energy"]) * Hartree, forces
