"""From potentials and bulk band edges to ionization potential and electron affinity.

    IP = dV - (E_VBM - <V>)_bulk,    dV = V_vacuum - V_slab-centre
    EA = IP - E_gap

The potential step dV of the slab carries the bulk's reference to the vacuum. It is taken twice: from
the macroscopic average in the slab's centre, and from the potentials at the atomic sites there; their
difference is a check. Protocol: S. Kiyohara, Y. Hinuma, F. Oba, J. Am. Chem. Soc. 146, 9697 (2024),
doi:10.1021/jacs.3c13574; Y. Hinuma et al., Phys. Rev. B 95, 075302 (2017),
doi:10.1103/PhysRevB.95.075302.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from surfalign.errors import MetallicError, PhysicsInputError
from surfalign.physics.checks import Check, within
from surfalign.physics.levels.potential import PlanarProfile, SlabRegions, macroscopic_average

#: Tolerances of the checks, eV. Sources: notes of docs/explanation/checks.md.
PLATEAU_TOLERANCE = 0.010
TWO_SIDES_TOLERANCE = 0.010
SLAB_CENTRE_TOLERANCE = 0.020
SITE_POTENTIAL_TOLERANCE = 0.030

#: The slab-centre average is read over this share of the slab's thickness on either side.
_CENTRE_SHARE = 0.1


@dataclass(frozen=True)
class PotentialStep:
    """The vacuum level against the inside of the slab; energies in eV.

    ``vacuum_level`` and ``slab_centre`` are on the (arbitrary) scale of the profile.
    """

    vacuum_level: float
    slab_centre: float
    checks: tuple[Check, ...]

    @property
    def value(self) -> float:
        """DV = V_vacuum - V_slab-centre, eV."""
        return self.vacuum_level - self.slab_centre


def potential_step(
    profile: PlanarProfile, regions: SlabRegions, bulk_repeat: float
) -> PotentialStep:
    """Read the potential once in the vacuum's centre and once in the slab's centre, with checks.

    Checks: ``vacuum_plateau`` (spread over the inner half of the vacuum, which is the half farthest
    from both faces), ``vacuum_two_sides`` (its two sides agree), ``slab_centre_plateau`` (spread of
    the macroscopic average over 10 % of the slab's thickness on either side of the centre).

    Parameters
    ----------
    profile
        Planar average of the potential, eV.
    regions
        Where slab and vacuum are.
    bulk_repeat
        Period of the bulk along the normal, angstrom: the window of the macroscopic average.
    """
    smooth = macroscopic_average(profile, bulk_repeat)
    quarter = regions.vacuum_thickness / 4
    middle = regions.vacuum_centre
    below, above = regions.vacuum_levels(profile)
    reach = _CENTRE_SHARE * regions.slab_thickness
    centre = regions.slab_centre
    checks = (
        within(
            "vacuum_plateau",
            profile.spread(middle - quarter, middle + quarter),
            PLATEAU_TOLERANCE,
            "eV",
            "Spread of the planar average over the half of the vacuum farthest from the slab.",
        ),
        within(
            "vacuum_two_sides",
            above - below,
            TWO_SIDES_TOLERANCE,
            "eV",
            "Difference of the vacuum levels on the two sides of the slab.",
        ),
        within(
            "slab_centre_plateau",
            smooth.spread(centre - reach, centre + reach),
            SLAB_CENTRE_TOLERANCE,
            "eV",
            "Spread of the macroscopic average within 10 % of the thickness around the slab centre.",
        ),
    )
    return PotentialStep(0.5 * (below + above), float(smooth.at(centre)), checks)


@dataclass(frozen=True)
class SiteAlignment:
    """The bulk's potential reference on the slab's scale, from atomic sites; eV."""

    reference: float
    spread: float
    n_sites: int


def site_alignment(
    slab_site_potentials: ArrayLike,
    bulk_site_potentials: ArrayLike,
    bulk_sites: ArrayLike,
    atom_heights: ArrayLike,
    regions: SlabRegions,
    bulk_repeat: float,
) -> SiteAlignment:
    """Compare the potentials at the sites in the middle of the slab with those of the bulk.

    Each atom within one bulk repeat around the slab's centre gives ``V_slab(i) - V_bulk(site(i))``,
    the place of the bulk's zero on the slab's scale; ``reference`` is the mean over the bulk sites
    (each with the mean of its atoms), ``spread`` the largest difference among these sites.

    Parameters
    ----------
    slab_site_potentials
        Shape ``(n_sites,)``, eV, on the scale of the slab's planar average.
    bulk_site_potentials
        Shape ``(n_bulk_sites,)``, eV, against the bulk's average potential.
    bulk_sites
        For each slab site the index of its bulk site, shape ``(n_sites,)``.
    atom_heights
        Shape ``(n_sites,)``, angstrom, any wrapping.
    regions
        Where slab and vacuum are.
    bulk_repeat
        Period of the bulk along the normal, angstrom.

    Raises
    ------
    PhysicsInputError
        When the arrays do not fit together.
    """
    slab_values = np.asarray(slab_site_potentials, dtype=float)
    bulk_values = np.asarray(bulk_site_potentials, dtype=float)
    sites = np.asarray(bulk_sites, dtype=int)
    if slab_values.shape != sites.shape or (
        sites.size and not 0 <= sites.min() <= sites.max() < bulk_values.size
    ):
        raise PhysicsInputError(
            f"{slab_values.size} slab potentials, {sites.size} bulk indices up to "
            f"{sites.max(initial=-1)}, {bulk_values.size} bulk potentials",
            "one bulk index per slab site, each smaller than the number of bulk sites",
            "build the slab from the same bulk structure as the band edges",
        )
    distance = regions.distances_from_centre(atom_heights)
    # At least one whole repeat; where the atoms at its rim come in planes, all of them.
    inside = distance <= max(bulk_repeat / 2, float(distance.min())) + 0.1
    offsets = slab_values - bulk_values[sites]
    per_site = [float(offsets[inside & (sites == site)].mean()) for site in set(sites[inside])]
    return SiteAlignment(
        float(np.mean(per_site)), float(max(per_site) - min(per_site)), int(inside.sum())
    )


def ionization_potential(potential_step_value: float, valence_band_maximum: float) -> float:
    """IP = dV - (E_VBM - <V>), eV."""
    return potential_step_value - valence_band_maximum


def electron_affinity(ionization_potential_value: float, band_gap: float) -> float:
    """EA = IP - gap, eV.

    Raises
    ------
    MetallicError
        When the gap is not positive.
    """
    if not band_gap > 0:
        raise MetallicError(
            f"a band gap of {band_gap:.3f} eV",
            "a positive gap: IP and EA are those of an insulator",
            "use a functional that opens the gap (ddh, hse06), or leave this metal out",
        )
    return ionization_potential_value - band_gap


def site_agreement(macroscopic: float, by_sites: float) -> Check:
    """Check that the two alignments give the same IP."""
    return within(
        "site_potential_alignment",
        by_sites - macroscopic,
        SITE_POTENTIAL_TOLERANCE,
        "eV",
        "IP aligned by atomic-site potentials minus IP aligned by the macroscopic average.",
    )
