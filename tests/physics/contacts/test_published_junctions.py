"""Anderson's rule, from measured levels of separate surfaces, against junctions that were measured.

Levels (IP or EA, and gap, eV) and offsets come from different papers, except for the dielectrics on GaN, whose
paper has both. Offsets are those of the second material against the first one; where a paper gives a range, its
middle. The table holds every pair for which a source of both sides was found; none was left out for its outcome.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from surfalign.physics.contacts.anderson import Junctions, JunctionType, all_junctions
from surfalign.physics.levels.distribution import LevelDistribution

I, II, III = JunctionType.STRADDLING, JunctionType.STAGGERED, JunctionType.BROKEN


@dataclass(frozen=True)
class Material:
    """Levels of a surface, eV; either IP or EA was measured, the other one follows from the gap."""

    gap: float
    source: str
    ip: float | None = None
    ea: float | None = None

    @property
    def levels(self) -> tuple[float, float]:
        if self.ip is not None:
            return self.ip, self.ip - self.gap
        assert self.ea is not None
        return self.ea + self.gap, self.ea


MATERIALS = {
    "TiO2-rutile": Material(
        3.03, ip=7.40, source="Kashiwaya et al., Surfaces 1, 73 (2018), doi:10.3390/surfaces1010007; "
        "gap: Scanlon et al., Nat. Mater. 12, 798 (2013), doi:10.1038/nmat3697"),
    "TiO2-anatase": Material(
        3.20, ip=7.96, source="Kashiwaya et al. (2018), doi:10.3390/surfaces1010007; gap: Scanlon et al. (2013)"),
    "ZnO": Material(
        3.37, ip=7.8, source="Klein et al., Materials 3, 4892 (2010), doi:10.3390/ma3114892; "
        "gap: Yang et al., Phys. Lett. A 375, 1760 (2011)"),
    "In2O3": Material(
        2.93, ip=7.0, source="Klein et al. (2010), doi:10.3390/ma3114892; "
        "gap: King et al., Phys. Rev. B 79, 205211 (2009), doi:10.1103/PhysRevB.79.205211"),
    "MgO": Material(
        7.83, ip=7.15, source="Jaouen et al., Appl. Phys. Lett. 97, 232104 (2010), doi:10.1063/1.3525159; "
        "gap: Afanas'ev et al., Appl. Phys. Lett. 96, 052103 (2010), doi:10.1063/1.3294328"),
    "Ga2O3": Material(
        4.6, ea=4.00, source="Mohamed et al., Appl. Phys. Lett. 101, 132106 (2012), doi:10.1063/1.4755770; "
        "gap: Carey et al., Vacuum 141, 103 (2017)"),
    "NiO": Material(
        3.7, ip=5.41, source="film from solution: Zhang et al., Adv. Sci. 7, 1903044 (2020), "
        "doi:10.1002/advs.201903044; gap: Yang et al., Phys. Lett. A 375, 1760 (2011)"),
    "Cu2O": Material(
        2.1, ea=3.2, source="from devices, not photoemission: Olsen, Addis, Miller, Solar Cells 7, 247 (1982)"),
    "CdO": Material(
        2.2, ea=5.9, source="1 eV below the level at which defects pin (4.9 eV): Speaks et al., J. Appl. Phys. 107, 113706 (2010), "
        "doi:10.1063/1.3428444"),
    "SiO2": Material(
        9.0, ea=1.1, source="Cook et al., Electronic properties of GaN (0001) - dielectric interfaces (2004)"),
    "HfO2": Material(
        5.8, ea=2.9, source="Cook et al., Electronic properties of GaN (0001) - dielectric interfaces (2004)"),
    "GaN": Material(
        3.4, ea=3.3, source="Wu, Kahn, Appl. Surf. Sci. 162, 250 (2000)"),
    "AlN": Material(
        6.2, ea=1.9, source="Wu, Kahn, Appl. Surf. Sci. 162, 250 (2000)"),
    "Si": Material(
        1.12, ip=5.15, source="cleaved (111): Allen, Gobeli, Phys. Rev. 127, 150 (1962), doi:10.1103/PhysRev.127.150"),
}  # fmt: skip


@dataclass(frozen=True)
class Junction:
    """What was measured, eV; None where a paper does not say."""

    first: str
    second: str
    valence: float | None
    conduction: float | None
    kind: JunctionType | None
    source: str


JUNCTIONS = [
    Junction("TiO2-anatase", "TiO2-rutile", 0.7, 0.5, II,
             "Pfeifer et al., J. Phys. Chem. Lett. 4, 4182 (2013), doi:10.1021/jz402165b; conduction: from the gaps"),
    Junction("TiO2-rutile", "MgO", -1.6, 3.2, I,
             "Valence band offset of MgO/TiO2 (rutile) heterojunction measured by X-ray photoelectron spectroscopy (2010)"),
    Junction("GaN", "MgO", -1.06, 3.30, I,
             "Determination of MgO/GaN heterojunction band offsets by x-ray photoelectron spectroscopy (2006); "
             "1.2 and 3.2 by Craft et al., J. Appl. Phys. 102, 074104 (2007)"),
    Junction("AlN", "MgO", -0.22, 1.45, I,
             "Yang et al., Determination of MgO/AlN heterojunction band offsets by x-ray photoelectron spectroscopy (2009)"),
    Junction("Si", "MgO", None, 2.25, I,
             "Afanas'ev et al., Appl. Phys. Lett. 96, 052103 (2010), doi:10.1063/1.3294328; gap of Si: 1.12 eV"),
    Junction("GaN", "SiO2", -2.0, 3.6, I, "Cook et al., Electronic properties of GaN (0001) - dielectric interfaces (2004)"),
    Junction("GaN", "HfO2", -0.3, 2.1, I, "Cook et al., Electronic properties of GaN (0001) - dielectric interfaces (2004)"),
    Junction("Si", "SiO2", -4.49, None, I,
             "Alay, Hirose, J. Appl. Phys. 81, 1606 (1997), doi:10.1063/1.363895; straddling: gap of SiO2 9 eV"),
    Junction("SiO2", "HfO2", 1.05, None, I,
             "Sayan, Garfunkel, Suzer, Appl. Phys. Lett. 80, 2135 (2002); straddling: gaps"),
    Junction("GaN", "ZnO", -0.8, None, II, "Hong et al., Appl. Phys. Lett. 78, 3349 (2001)"),
    Junction("AlN", "ZnO", -0.43, -3.29, II,
             "Veal et al., Appl. Phys. Lett. 93, 202108 (2008), doi:10.1063/1.3032911"),
    Junction("ZnO", "NiO", 1.47, 1.8, II, "Yang et al., Phys. Lett. A 375, 1760 (2011)"),
    Junction("ZnO", "Ga2O3", -0.61, 0.79, I, "on ZnO:Al: Carey et al., Vacuum 141, 103 (2017)"),
    Junction("Si", "Ga2O3", -3.5, 0.2, I, "Chen et al., Appl. Phys. Lett. 109, 102106 (2016)"),
    Junction("GaN", "Ga2O3", -1.40, None, None,
             "Wei et al., Nanoscale Res. Lett. 7, 562 (2012), doi:10.1186/1556-276X-7-562"),
    Junction("In2O3", "Cu2O", 2.35, None, II,
             "on In2O3:Sn, 2.1 to 2.6: Deuermeier et al., J. Appl. Phys. 109, 113704 (2011), doi:10.1063/1.3592981"),
    Junction("Si", "TiO2-anatase", -2.56, -0.38, II,
             "with a layer of silicate between: Perego et al., J. Appl. Phys. 103, 043509 (2008), doi:10.1063/1.2885109"),
    Junction("CdO", "NiO", None, None, III, "Karsthof et al., Phys. Status Solidi B (2020), doi:10.1002/pssb.201900639"),
]  # fmt: skip


def made(pair: Junction) -> Junctions:
    """Return a junction by the rule, from levels without error."""
    one, other = (
        LevelDistribution.normal([MATERIALS[name].levels], np.zeros((1, 2, 2)))
        for name in (pair.first, pair.second)
    )
    return all_junctions(one, other)


def types_and_chances() -> list[tuple[Junction, JunctionType, float]]:
    """Return the pairs of published type, with the type by the rule and its probability."""
    found = []
    for pair in JUNCTIONS:
        if pair.kind is not None:
            own = made(pair)
            kind = JunctionType(int(own.types[0, 0]))
            found.append((pair, kind, float(own.probabilities[0, 0, kind - 1])))
    return found


def test_the_rule_is_right_on_the_type_of_14_of_17_published_junctions() -> None:
    typed = types_and_chances()
    wrong = {(pair.first, pair.second) for pair, kind, _ in typed if kind is not pair.kind}
    assert len(typed) == 17
    assert wrong == {("TiO2-rutile", "MgO"), ("AlN", "MgO"), ("AlN", "ZnO")}


def test_it_is_right_as_often_as_its_probabilities_say() -> None:
    typed = types_and_chances()
    right = np.mean([kind is pair.kind for pair, kind, _ in typed])
    assert np.mean([chance for *_, chance in typed]) == pytest.approx(right, abs=0.03)


def test_its_offsets_err_by_0_7_and_1_0_electronvolts() -> None:
    valence, conduction = (
        np.array([
            getattr(made(pair), f"{edge}_offsets")[0, 0] - getattr(pair, edge)
            for pair in JUNCTIONS
            if getattr(pair, edge) is not None
        ])
        for edge in ("valence", "conduction")
    )  # fmt: skip
    assert (len(valence), len(conduction)) == (16, 12)
    assert np.abs(valence).mean() == pytest.approx(0.70, abs=0.005)
    assert np.abs(conduction).mean() == pytest.approx(0.99, abs=0.005)
    assert valence.mean() == pytest.approx(0.01, abs=0.005)
