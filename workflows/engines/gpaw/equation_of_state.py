"""Energy against volume at fixed shape and constant cut-off: no Pulay stress enters."""

from __future__ import annotations

import numpy as np
from pymatgen.analysis.eos import BirchMurnaghan
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from surfalign.errors import ConvergenceError
from surfalign.stores.documents import EquationOfState
from surfalign.workflows.engines.gpaw.calculator import ParallelGPAW

#: Volumes as fractions of the given one.
_FRACTIONS = (0.91, 0.94, 0.97, 1.0, 1.03, 1.06, 1.09)


def fit_equation_of_state(calculator: ParallelGPAW, structure: Structure) -> EquationOfState:
    """Compute E(V) around the given volume and fit the third-order Birch-Murnaghan equation.

    Fractional coordinates are kept.

    Parameters
    ----------
    calculator
        Computes the energies; its k mesh is that of the first volume.
    structure
        The crystal.

    Raises
    ------
    ConvergenceError
        When the minimum lies outside the computed volumes.
    """
    volumes, energies = [], []
    for fraction in _FRACTIONS:
        scaled = structure.copy()
        scaled.scale_lattice(structure.volume * fraction)
        atoms = AseAtomsAdaptor.get_atoms(scaled, msonable=False)
        energy = calculator.evaluate(atoms, forces=False)["energy"]
        calculator.say(f"volume {scaled.volume:.3f} angstrom^3, energy {energy:.4f} eV")
        volumes.append(float(scaled.volume))
        energies.append(float(energy))
    return fit_birch_murnaghan(volumes, energies)


def fit_birch_murnaghan(volumes: list[float], energies: list[float]) -> EquationOfState:
    """Fit the third-order Birch-Murnaghan equation (Phys. Rev. 71, 809 (1947), 10.1103/PhysRev.71.809).

    Parameters
    ----------
    volumes, energies
        Of the cell, angstrom^3 and eV.

    Raises
    ------
    ConvergenceError
        When the minimum lies outside the volumes.
    """
    fit = BirchMurnaghan(volumes, energies)
    fit.fit()
    if not min(volumes) < fit.v0 < max(volumes):
        raise ConvergenceError(
            f"the fitted equilibrium volume is {fit.v0:.2f} angstrom^3",
            f"a volume between {min(volumes):.2f} and {max(volumes):.2f} angstrom^3",
            "start from a cell nearer to equilibrium",
        )
    residual = np.asarray(energies) - fit.func(np.asarray(volumes))
    return EquationOfState(
        volumes=volumes,
        energies=energies,
        equilibrium_volume=float(fit.v0),
        bulk_modulus=float(fit.b0_GPa),
        fit_residual=float(np.sqrt(np.mean(residual**2))),
    )
