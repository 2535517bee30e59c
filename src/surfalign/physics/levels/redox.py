"""Redox levels in water against the vacuum level, at any pH.

    E(pH) = E_SHE - e E0 + (kT ln 10) (m / n) pH

for ``oxidised + n e- + m H+ = reduced``. E0 is the standard potential at pH 0 (V against the standard hydrogen
electrode, 298.15 K, activities of 1). E_SHE = -4.44 +- 0.02 eV: S. Trasatti, Pure Appl. Chem. 58, 955 (1986),
doi:10.1351/pac198658070955. Energies are those of an electron: a level is negative, and the lower it is the
more strongly the couple oxidises.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from surfalign.errors import PhysicsInputError

#: Standard hydrogen electrode against vacuum, eV.
HYDROGEN_ELECTRODE = -4.44
#: kT ln 10 at 298.15 K, eV for each pH unit: CODATA 2018, exact.
NERNST_SLOPE = 0.0591597
#: Band edges in water lie on average this much nearer to the vacuum level than those of a clean surface, eV, at
#: the pH of zero charge: V. Stevanovic, S. Lany, D. S. Ginley, W. Tumas, A. Zunger, Phys. Chem. Chem. Phys. 16,
#: 3706 (2014), doi:10.1039/C3CP54589J. No level here contains it.
EDGE_SHIFT_IN_WATER = 0.5

_NBS = (
    "Gibbs energies of formation: D. D. Wagman et al., J. Phys. Chem. Ref. Data 11, Suppl. 2 (1982)"
)
_NBS_DOI = "10.18434/M32124"
_RADICALS = "D. A. Armstrong et al. (IUPAC), Pure Appl. Chem. 87, 1139 (2015)"
_RADICALS_DOI = "10.1515/pac-2014-0502"


@dataclass(frozen=True)
class RedoxCouple:
    """A redox couple.

    Attributes
    ----------
    name
        By which it is asked for, e.g. ``H+/H2``.
    reaction
        The reduction, with its states.
    potential
        Standard potential at pH 0, V against the standard hydrogen electrode.
    electrons, protons
        Transferred together; their ratio sets the slope with pH.
    source, doi
        Where the potential comes from.
    """

    name: str
    reaction: str
    potential: float
    electrons: int
    protons: int
    source: str
    doi: str

    @property
    def slope(self) -> float:
        """Rise of the level with pH, eV for each unit."""
        return NERNST_SLOPE * self.protons / self.electrons

    def level(self, ph: float = 0.0, hydrogen_electrode: float = HYDROGEN_ELECTRODE) -> float:
        """Return the level against vacuum, eV.

        Parameters
        ----------
        ph
            From 0 to 14.
        hydrogen_electrode
            Standard hydrogen electrode against vacuum, eV.

        Raises
        ------
        PhysicsInputError
            When the pH is not one of water.
        """
        return hydrogen_electrode - self.potential + self.slope * known_ph(ph)


def _couple(
    name: str, reaction: str, potential: float, electrons: int, protons: int, radical: bool = False
) -> RedoxCouple:
    source, doi = (_RADICALS, _RADICALS_DOI) if radical else (_NBS, _NBS_DOI)
    return RedoxCouple(name, reaction, potential, electrons, protons, source, doi)


#: All couples, by name. OH/OH- is given with its proton: OH- has an activity of 1 at pH 14 (1.902 V) only.
#: O2/O2- holds above pH 4.8; below, the superoxide takes up a proton.
COUPLES = {
    couple.name: couple
    for couple in (
        _couple("H+/H2", "2 H+ + 2 e- = H2(g)", 0.0, 2, 2),
        _couple("O2/H2O", "O2(g) + 4 H+ + 4 e- = 2 H2O(l)", 1.229, 4, 4),
        _couple("O2/O2-", "O2(g) + e- = O2-(aq)", -0.35, 1, 0, radical=True),
        _couple("O2/H2O2", "O2(g) + 2 H+ + 2 e- = H2O2(aq)", 0.695, 2, 2),
        _couple("OH/OH-", "OH(aq) + H+ + e- = H2O(l)", 2.730, 1, 1, radical=True),
        _couple("CO2/CO", "CO2(g) + 2 H+ + 2 e- = CO(g) + H2O(l)", -0.104, 2, 2),
        _couple("CO2/HCOOH", "CO2(g) + 2 H+ + 2 e- = HCOOH(aq)", -0.114, 2, 2),
        RedoxCouple(
            "CO2/HCHO", "CO2(g) + 4 H+ + 4 e- = HCHO(aq) + H2O(l)", -0.070, 4, 4,
            "A. J. Bard, R. Parsons, J. Jordan, Standard Potentials in Aqueous Solution (1985)",
            "10.1201/9780203738764",
        ),
        _couple("CO2/CH3OH", "CO2(g) + 6 H+ + 6 e- = CH3OH(aq) + H2O(l)", 0.031, 6, 6),
        _couple("CO2/CH4", "CO2(g) + 8 H+ + 8 e- = CH4(g) + 2 H2O(l)", 0.169, 8, 8),
        _couple("N2/NH3", "N2(g) + 6 H+ + 6 e- = 2 NH3(g)", 0.057, 6, 6),
    )
}  # fmt: skip


def redox_couple(name: str) -> RedoxCouple:
    """Return a couple by its name.

    Raises
    ------
    PhysicsInputError
        When there is no such couple.
    """
    found = {known.lower(): couple for known, couple in COUPLES.items()}.get(name.strip().lower())
    if found is None:
        raise PhysicsInputError(
            f"an unknown redox couple {name!r}",
            f"one of {', '.join(COUPLES)}",
            "write it as in the list: oxidised/reduced",
        )
    return found


def redox_levels(
    names: Iterable[str], ph: float = 0.0, hydrogen_electrode: float = HYDROGEN_ELECTRODE
) -> dict[str, float]:
    """Return the levels of couples, eV against vacuum; parameters and errors as for one couple."""
    couples = [redox_couple(name) for name in names]
    return {couple.name: couple.level(ph, hydrogen_electrode) for couple in couples}


def known_ph(ph: float) -> float:
    """Return a pH that water has.

    Raises
    ------
    PhysicsInputError
        When it is not between 0 and 14.
    """
    if not 0.0 <= ph <= 14.0:
        raise PhysicsInputError(
            f"a pH of {ph:g}", "a pH from 0 to 14", "name one: --ph 7 is pure water"
        )
    return float(ph)
