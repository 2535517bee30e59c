"""Energy of the oxygen atom that the chemical potential counts from: half an O2 molecule.

Semilocal functionals bind O2 too strongly, PBEsol by about 1 eV a molecule, and O2 is magnetic. Its energy is
therefore taken from two molecules that are neither, and from the measured energy of forming water, as
J. K. Norskov et al., J. Phys. Chem. B 108, 17886 (2004), doi:10.1021/jp047349j, do:

    E(O2) / 2 = E(H2O) - E(H2) + 2.73 eV
"""

from __future__ import annotations

import math

from pymatgen.core import Lattice, Structure

#: Energy that the reaction H2 + 1/2 O2 -> H2O releases, without zero-point energies, eV: enthalpy of
#: formation of water vapour at 0 K, -238.92 kJ/mol (NIST-JANAF), and zero-point energies of H2 (2179 cm-1),
#: O2 (787 cm-1; K. K. Irikura, J. Phys. Chem. Ref. Data 36, 389 (2007), doi:10.1063/1.2436891) and
#: H2O (4638 cm-1; O. L. Polyansky et al., Science 299, 539 (2003), doi:10.1126/science.1079558).
WATER_FORMATION_ENERGY = 238.92 / 96.48533 + (4638 - 2179 - 787 / 2) / 8065.544
#: How the energy of the oxygen atom was found, as results say it.
FROM_WATER = "water"
#: Edge of the box around a molecule, angstrom.
_BOX = 12.0
#: Measured bonds (angstrom) and angle (degrees); the energies change by less than 10 meV to PBEsol's own.
_HYDROGEN_BOND, _WATER_BOND, _WATER_ANGLE = 0.7414, 0.9572, 104.52


def reference_molecules() -> dict[str, Structure]:
    """Return the molecules by name, each in a cubic box, in the plane at half its height.

    As all atoms lie in one plane, an engine sees a slab with two equal faces.
    """
    half = math.radians(_WATER_ANGLE / 2)
    x, y = _WATER_BOND * math.sin(half), _WATER_BOND * math.cos(half)
    return {
        "hydrogen molecule": _in_box(["H", "H"], [(0, 0), (_HYDROGEN_BOND, 0)]),
        "water molecule": _in_box(["O", "H", "H"], [(0, 0), (x, y), (-x, y)]),
    }


def oxygen_energy(water_energy: float, hydrogen_energy: float) -> float:
    """Return the energy of one oxygen atom at zero chemical potential, from the molecules' (eV)."""
    return water_energy - hydrogen_energy + WATER_FORMATION_ENERGY


def _in_box(elements: list[str], places: list[tuple[float, float]]) -> Structure:
    centre = _BOX / 2
    return Structure(
        Lattice.cubic(_BOX),
        elements,
        [(centre + x, centre + y, centre) for x, y in places],
        coords_are_cartesian=True,
    )
