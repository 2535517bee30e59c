"""Numerical settings of the VASP engine: three named presets of the published protocol.

The preset ``standard`` is the protocol of J. Am. Chem. Soc. 146, 9697 (2024), doi
10.1021/jacs.3c13574, where that article states a number; the others trade accuracy for time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from monty.json import MSONable

from surfalign.errors import ConfigurationError
from surfalign.stores.documents import Quality
from surfalign.workflows.engines.engine import without_later_options
from surfalign.workflows.engines.functionals import SpinOrbit, couples_spin_orbit

#: Sets of POTCAR files that hold all of :mod:`.potentials`.
POTCAR_FUNCTIONALS = ("PBE_54", "PBE_64")

OneShot = Literal["Eigenval", "Subrot"]
Dispersion = Literal["off", "d3bj"]


@dataclass(frozen=True)
class VaspSettings(MSONable):
    """Everything numerical about one quality; frozen, and stored with each result.

    Parameters
    ----------
    quality
        Name of the preset, or ``custom``.
    cutoff
        Plane-wave cut-off, eV; the same for all steps, or their levels do not compare.
    k_spacing
        Largest distance of neighbouring k-points of the semilocal steps, 1/angstrom (2 pi included).
    dielectric_k_spacing
        The same for the dielectric response.
    hybrid_k_spacing
        The same for the mesh of the exchange, which is Gamma-centred and even. It is also that of the
        density behind the band edges, so it is no coarser than the slab's.
    band_k_spacing
        The same for the mesh on which the band edges are looked for.
    edge_window, most_edge_points
        k-points whose semilocal edges lie this close to the extrema (eV) are computed with the
        hybrid, so many at most for each edge.
    slab_thickness, vacuum_thickness
        Minimum thicknesses, angstrom.
    energy_tolerance
        End of the self-consistency cycle, eV.
    bulk_force_tolerance, force_tolerance
        Largest force left by the relaxation of the bulk and of a slab, eV/angstrom.
    max_relaxation_steps
        Ionic steps of one relaxation.
    smearing
        Width of the Gaussian occupations, eV; far below any gap.
    potcar_functional
        Set of POTCAR files.
    self_consistent
        Whether the gap is that of the self-consistent hybrid.
    hubbard_u
        Whether U (:mod:`.hubbard`) is added to the semilocal functional of all steps.
    spin_orbit
        Spin-orbit coupling in the band edges: ``off``, ``heavy`` (crystals with Pb, Bi, Tl, Hg, W, I or Te)
        or ``on``.
    one_shot
        ALGO of the non-self-consistent hybrid: ``Eigenval`` keeps the PBEsol orbitals, ``Subrot``
        diagonalises the hybrid's Hamiltonian in their space. It came later than the others: it counts for
        the identity of a calculation only where it is set.
    dispersion
        Correction of energies and forces for dispersion: ``off``, or ``d3bj`` for Grimme's D3 with damping after
        Becke and Johnson. It came later, too.
    """

    quality: str
    cutoff: float
    k_spacing: float
    dielectric_k_spacing: float
    hybrid_k_spacing: float
    band_k_spacing: float
    slab_thickness: float
    vacuum_thickness: float
    edge_window: float = 0.2
    most_edge_points: int = 4
    energy_tolerance: float = 1e-6
    bulk_force_tolerance: float = 0.005
    force_tolerance: float = 0.02
    max_relaxation_steps: int = 100
    smearing: float = 0.05
    potcar_functional: str = "PBE_54"
    self_consistent: bool = False
    hubbard_u: bool = False
    spin_orbit: SpinOrbit = "off"
    one_shot: OneShot = field(default="Eigenval", metadata={"since": "0.3"})
    dispersion: Dispersion = field(default="off", metadata={"since": "0.3"})

    def as_dict(self) -> dict[str, Any]:
        """Return monty's dictionary, without options of a later version that are not set.

        So the settings of a calculation, and what is hashed of them, stay what they were.
        """
        return without_later_options(self, super().as_dict())

    def numerical(self) -> dict[str, Any]:
        """Return the settings as plain JSON, without serialisation marks."""
        return {k: v for k, v in self.as_dict().items() if not k.startswith("@")}

    def couples_spin_orbit(self, elements: set[str]) -> bool:
        """Return whether the band edges of a crystal of these elements include the coupling."""
        return couples_spin_orbit(self.spin_orbit, elements)


STANDARD = VaspSettings(
    quality=Quality.STANDARD.value,
    cutoff=520.0,
    k_spacing=0.35,
    dielectric_k_spacing=0.30,
    hybrid_k_spacing=0.35,
    band_k_spacing=0.20,
    slab_thickness=20.0,
    vacuum_thickness=15.0,
)
QUICK = replace(
    STANDARD,
    quality=Quality.QUICK.value,
    cutoff=520.0,  # not lower: 1.3 ENMAX of O, whose cells are relaxed; and above Li_sv
    k_spacing=0.50,
    dielectric_k_spacing=0.45,
    hybrid_k_spacing=0.50,
    band_k_spacing=0.30,
    slab_thickness=13.0,
    force_tolerance=0.05,
)
CONVERGED = replace(
    STANDARD,
    quality=Quality.CONVERGED.value,
    cutoff=600.0,
    k_spacing=0.25,
    dielectric_k_spacing=0.20,
    hybrid_k_spacing=0.25,
    band_k_spacing=0.15,
    slab_thickness=25.0,
    vacuum_thickness=20.0,
    energy_tolerance=1e-7,
    force_tolerance=0.01,
)
PRESETS = {preset.quality: preset for preset in (QUICK, STANDARD, CONVERGED)}


def preset(quality: str, **options: Any) -> VaspSettings:
    """Return the preset of a name, with options replaced.

    Raises
    ------
    ConfigurationError
        When there is no such preset, option, or value of an option.
    """
    if str(quality) not in PRESETS:
        raise ConfigurationError(
            f"there is no quality '{quality}'", f"one of {', '.join(PRESETS)}", "choose one of them"
        )
    try:
        settings = replace(PRESETS[str(quality)], **options)
    except TypeError as error:
        raise ConfigurationError(
            f"the VASP engine has no option among {', '.join(options)}: {error}",
            f"options among {', '.join(VaspSettings.__dataclass_fields__)}",
            "correct the name of the option",
        ) from error
    choices: tuple[tuple[str, tuple[object, ...]], ...] = (
        ("spin_orbit", ("off", "heavy", "on")),
        ("potcar_functional", POTCAR_FUNCTIONALS),
        ("self_consistent", (False, True)),
        ("hubbard_u", (False, True)),
        ("one_shot", ("Eigenval", "Subrot")),
        ("dispersion", ("off", "d3bj")),
    )
    for name, known in choices:
        if getattr(settings, name) not in known:
            raise ConfigurationError(
                f"{name} is '{getattr(settings, name)}'",
                f"one of {', '.join(map(str, known))}",
                "choose one of them",
            )
    return settings
