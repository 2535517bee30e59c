from __future__ import annotations

import math

import pytest

from surfalign.errors import PhysicsInputError
from surfalign.physics.levels.redox import (
    COUPLES,
    NERNST_SLOPE,
    redox_couple,
    redox_levels,
)

FARADAY = 96.485  # kJ/(mol V)
#: Gibbs energies of formation, kJ/mol, 298.15 K: D. D. Wagman et al., The NBS tables of chemical thermodynamic
#: properties, J. Phys. Chem. Ref. Data 11, Suppl. 2 (1982). Oxidised side minus reduced side, H+ and e- are zero.
WATER, CO2 = -237.129, -394.359
GAINED = {
    "H+/H2": 0.0,
    "O2/H2O": -2 * WATER,
    "O2/H2O2": 134.03,
    "CO2/CO": CO2 - (-137.168 + WATER),
    "CO2/HCOOH": CO2 + 372.3,
    "CO2/CH3OH": CO2 - (-175.31 + WATER),
    "CO2/CH4": CO2 - (-50.72 + 2 * WATER),
    "N2/NH3": 2 * 16.45,
}
#: Potentials at pH 7 against SHE as textbooks and reviews print them, V, with how far printed values spread:
#: CO2: Table 1 of Nano Convergence 6, 5 (2019), doi:10.1186/s40580-019-0177-2; formic acid is printed from -0.61 V
#: to -0.43 V (formate), for its Gibbs energy is that of the liquid, the solution or the ion. Water: CRC Handbook.
#: Superoxide: -0.33 V (1 atm of O2; P. M. Wood, Biochem. J. 253, 287 (1988), doi:10.1042/bj2530287), same source:
#: O2/H2O2 +0.28 V and OH/H2O +2.31 V. Ammonia: +0.057 V at pH 0 less 0.414 V.
PRINTED_AT_PH_7 = {
    "H+/H2": (-0.414, 0.01),
    "O2/H2O": (0.815, 0.01),
    "O2/O2-": (-0.33, 0.03),
    "O2/H2O2": (0.28, 0.02),
    "OH/OH-": (2.31, 0.02),
    "CO2/CO": (-0.53, 0.02),
    "CO2/HCOOH": (-0.61, 0.09),
    "CO2/HCHO": (-0.48, 0.02),
    "CO2/CH3OH": (-0.38, 0.02),
    "CO2/CH4": (-0.24, 0.02),
    "N2/NH3": (-0.357, 0.01),
}


@pytest.mark.parametrize("name", sorted(GAINED))
def test_a_potential_follows_from_the_gibbs_energies_of_formation(name: str) -> None:
    couple = COUPLES[name]
    assert couple.potential == pytest.approx(
        GAINED[name] / (couple.electrons * FARADAY), abs=0.0006
    )


@pytest.mark.parametrize("name", sorted(COUPLES))
def test_the_level_at_ph_7_is_the_printed_one(name: str) -> None:
    printed, spread = PRINTED_AT_PH_7[name]
    assert -4.44 - COUPLES[name].level(7.0) == pytest.approx(printed, abs=spread)


def test_the_slope_is_59_mev_for_each_proton_of_an_electron() -> None:
    assert (
        pytest.approx(8.314462618 * 298.15 * math.log(10) / 96485.33212, abs=1e-6) == NERNST_SLOPE
    )
    for couple in COUPLES.values():
        ratio = 0.0 if couple.name == "O2/O2-" else 1.0
        assert couple.protons / couple.electrons == ratio
        assert couple.level(14.0) - couple.level(0.0) == pytest.approx(14 * ratio * NERNST_SLOPE)


def test_the_window_of_water_is_1_23_ev_at_any_ph() -> None:
    for ph in (0.0, 7.0, 14.0):
        levels = redox_levels(["H+/H2", "O2/H2O"], ph)
        assert levels["H+/H2"] - levels["O2/H2O"] == pytest.approx(1.229)
    assert redox_levels(["H+/H2"])["H+/H2"] == -4.44


def test_the_hydroxyl_radical_has_1_90_v_where_hydroxide_has_an_activity_of_1() -> None:
    # 1.902 +- 0.017 V: D. A. Armstrong et al., Pure Appl. Chem. 87, 1139 (2015), doi:10.1515/pac-2014-0502.
    assert -4.44 - redox_couple("OH/OH-").level(14.0) == pytest.approx(1.902, abs=0.002)


def test_another_hydrogen_electrode_moves_all_levels() -> None:
    assert redox_couple("o2/h2o").level(0.0, -4.28) == pytest.approx(-4.28 - 1.229)


def test_every_couple_names_its_source() -> None:
    assert all(couple.doi.startswith("10.") and couple.source for couple in COUPLES.values())


@pytest.mark.parametrize("ph", [-0.1, 14.1, math.nan])
def test_a_ph_that_water_does_not_have_is_refused(ph: float) -> None:
    with pytest.raises(PhysicsInputError, match="from 0 to 14"):
        redox_couple("H+/H2").level(ph)


def test_an_unknown_couple_is_refused_with_the_known_ones() -> None:
    with pytest.raises(PhysicsInputError, match="CO2/CH4"):
        redox_couple("Fe3+/Fe2+")
