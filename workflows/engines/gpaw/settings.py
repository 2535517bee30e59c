"""Numerical settings of the embedded engine, and the three named sets of them.

What each set costs in accuracy is measured in docs/explanation/gpaw-engine.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from monty.json import MSONable

from surfalign.errors import ConfigurationError
from surfalign.stores.documents import Quality
from surfalign.workflows.engines.gpaw.dispersion import Dispersion
from surfalign.workflows.engines.relaxation.relaxation import RelaxationSettings

#: Smallest cut-off of energies at several volumes, eV.
EQUATION_OF_STATE_CUTOFF = 600.0


@dataclass(frozen=True)
class GpawSettings(MSONable):
    """Everything numerical about one quality; frozen, and stored with each result.

    Parameters
    ----------
    quality
        Name of the preset, or ``custom``.
    cutoff
        Plane-wave cut-off, eV; the same for bulk and slab, or their levels do not compare.
    grid_spacing
        Largest spacing of the real-space grid, angstrom; GPAW's own is coarser at low cut-offs, and then
        energy and forces depend on where the atoms lie between its points: 3.6 meV and 0.024 eV/angstrom
        in MgO at 400 eV (spacing 0.21), enough for several places of rest of one slab, with levels 0.2 eV
        apart.
    k_spacing
        Largest distance of neighbouring k-points, 1/angstrom (2 pi included).
    smearing
        Width of the Fermi-Dirac occupations, eV; far below any gap.
    empty_band_fraction
        Empty bands as a fraction of the occupied ones (at least four).
    energy_tolerance, density_tolerance, eigenstates_tolerance
        SCF criteria: eV per valence electron, electrons per electron, eV^2 per electron.
    max_scf_iterations
        SCF iterations before the gentler mixer is tried, and again after.
    force_tolerance
        Largest force left by the relaxation of a bulk crystal, eV/angstrom.
    max_relaxation_steps
        Force evaluations of that relaxation.
    slab_thickness, vacuum_thickness
        Minimum thicknesses, angstrom.
    self_consistent_exchange
        Whether hybrid gaps get the self-consistency correction.
    dielectric_k_spacing
        The same as ``k_spacing`` for the shifted mesh of the dielectric response, 1/angstrom.
    dielectric_band_energy
        Free-electron energy up to which empty bands enter the response, eV.
    dielectric_cutoff
        Plane-wave cut-off of the response's local fields, eV.
    hybrid_k_spacing
        The same as ``k_spacing`` for the even, centred mesh of the exchange, 1/angstrom.
    hybrid_window
        k-points whose semilocal edges lie this close to the extrema are tried with the hybrid, eV.
    exchange_mesh, exchange_cutoff, exchange_empty_bands
        Points along each axis, cut-off (eV) and empty bands of the self-consistency correction.
    dispersion
        Correction of energies and forces for dispersion: ``off``, or ``d3bj`` for Grimme's D3. It came later than
        the others: it counts for the identity of a calculation only where it is set.
    """

    quality: str
    cutoff: float
    k_spacing: float
    slab_thickness: float
    vacuum_thickness: float
    self_consistent_exchange: bool
    grid_spacing: float = 0.19
    smearing: float = 0.05
    empty_band_fraction: float = 0.1
    energy_tolerance: float = 1e-5
    density_tolerance: float = 1e-4
    eigenstates_tolerance: float = 4e-8
    max_scf_iterations: int = 100
    force_tolerance: float = 0.05
    max_relaxation_steps: int = 40
    dielectric_k_spacing: float = 0.45
    dielectric_band_energy: float = 60.0
    dielectric_cutoff: float = 50.0
    hybrid_k_spacing: float = 0.45
    hybrid_window: float = 0.2
    exchange_mesh: int = 2
    exchange_cutoff: float = 400.0
    exchange_empty_bands: int = 8
    dispersion: Dispersion = field(default="off", metadata={"since": "0.3"})

    def as_dict(self) -> dict[str, Any]:
        """Return monty's dictionary, without options of a later version that are not set."""
        plain: dict[str, Any] = super().as_dict()
        if self.dispersion == "off":
            del plain["dispersion"]
        return plain

    def for_equation_of_state(self) -> GpawSettings:
        """Return these settings with the cut-off that E(V) needs.

        With fewer plane waves the basis changes with the volume and E(V) is rough: MgO at 450 eV
        gave a bulk modulus of 115 GPa (measured: 160).
        """
        return replace(self, cutoff=max(self.cutoff, EQUATION_OF_STATE_CUTOFF))

    def numerical(self) -> dict[str, Any]:
        """Return the settings as plain JSON, without serialisation marks."""
        return {k: v for k, v in self.as_dict().items() if not k.startswith("@")}


QUICK = GpawSettings(
    quality=Quality.QUICK.value,
    cutoff=500.0,
    k_spacing=0.55,
    slab_thickness=12.5,
    vacuum_thickness=15.0,
    self_consistent_exchange=False,
    density_tolerance=2e-4,
    eigenstates_tolerance=1e-6,
    force_tolerance=0.08,
    dielectric_k_spacing=0.55,
    dielectric_band_energy=40.0,
    hybrid_k_spacing=0.55,
)
STANDARD = GpawSettings(
    quality=Quality.STANDARD.value,
    cutoff=500.0,
    k_spacing=0.45,
    slab_thickness=13.0,
    vacuum_thickness=15.0,
    self_consistent_exchange=True,
    eigenstates_tolerance=1e-6,
)
CONVERGED = GpawSettings(
    quality=Quality.CONVERGED.value,
    cutoff=600.0,
    k_spacing=0.35,
    slab_thickness=20.0,
    vacuum_thickness=17.0,
    self_consistent_exchange=True,
    density_tolerance=5e-5,
    force_tolerance=0.02,
    max_relaxation_steps=80,
    dielectric_k_spacing=0.35,
    dielectric_band_energy=90.0,
    dielectric_cutoff=80.0,
    hybrid_k_spacing=0.35,
)
#: When the relaxation of a slab ends, at each quality.
RELAXATIONS = {
    QUICK.quality: RelaxationSettings(level_tolerance=0.045, force_tolerance=0.3),
    STANDARD.quality: RelaxationSettings(level_tolerance=0.02),
    CONVERGED.quality: RelaxationSettings(
        level_tolerance=0.005, force_tolerance=0.05, max_evaluations=40
    ),
}
#: What cut-off, k-points and SCF tolerances change in an IP, eV, as measured (docs/explanation/gpaw-engine.md).
NUMERICAL_ERRORS = {QUICK.quality: 0.03, STANDARD.quality: 0.03}
#: What the grid changes in a force, eV/angstrom: root mean square of a symmetric coordinate, when slabs are moved
#: against the grid by parts of its spacing (docs/explanation/gpaw-engine.md).
FORCE_NOISE = {QUICK.quality: 0.02, STANDARD.quality: 0.02}
PRESETS = {preset.quality: preset for preset in (QUICK, STANDARD, CONVERGED)}


def preset(quality: str) -> GpawSettings:
    """Return the preset of a name.

    Raises
    ------
    ConfigurationError
        When there is no such preset.
    """
    try:
        return PRESETS[str(quality)]
    except KeyError:
        raise ConfigurationError(
            f"there is no quality '{quality}'", f"one of {', '.join(PRESETS)}", "choose one of them"
        ) from None
