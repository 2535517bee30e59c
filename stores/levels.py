"""From the stored documents of the steps to the levels of a surface.

Pure: no engine, no database. The flow calls it at the end of a run; a builder can call it again on
stored documents when a formula or a tolerance changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from surfalign.errors import PhysicsInputError
from surfalign.hashing import hash_of
from surfalign.physics.checks import Check, within
from surfalign.physics.levels import alignment, potential
from surfalign.physics.levels.convergence import CENTRE_SHARE, combined_error
from surfalign.physics.levels.surface_energy import surface_energy
from surfalign.physics.phases.oxygen_reference import FROM_WATER, oxygen_energy
from surfalign.stores.documents import (
    BandEdgesDocument,
    BulkDocument,
    CalculationRecord,
    DielectricDocument,
    PotentialProfile,
    Quality,
    ResultState,
    SlabPotentialDocument,
    SlabRelaxationDocument,
    StepTiming,
    SurfaceDescription,
    SurfaceLevelsDocument,
)

#: Raised when a formula, a tolerance or an identifier changes: the builder then computes all results
#: again, from the stored documents of the steps. 2: identifiers that tell polymorphs apart. 3: levels at the
#: minimum that a relaxation predicts, and their error. 4: names made of the whole method. 5: the noise of forces
#: is a part of their error.
LEVELS_VERSION = 5

#: Elements whose spin-orbit splitting moves band edges by more than about 0.1 eV. As an anion, iodine lifts the
#: VBM by 0.22 eV in CuI, tellurium by 0.31 eV in CdTe, selenium by 0.1 to 0.15 eV, arsenic by 0.12 eV in GaAs.
SPIN_ORBIT_ELEMENTS = frozenset({"Pb", "Bi", "Tl", "Hg", "W", "I", "Te"})


@dataclass(frozen=True)
class SurfaceSteps:
    """The documents of all steps behind one surface."""

    surface: SurfaceDescription
    bulk: BulkDocument
    band_edges: BandEdgesDocument
    oriented_bulk: BulkDocument
    slab_potential: SlabPotentialDocument
    dielectric: DielectricDocument | None = None
    slab_relaxation: SlabRelaxationDocument | None = None
    hydrogen_molecule: SlabPotentialDocument | None = None
    water_molecule: SlabPotentialDocument | None = None

    @property
    def calculations(self) -> dict[str, CalculationRecord]:
        """Records of all steps by name, in the order they ran."""
        documents = {
            "bulk": self.bulk,
            "dielectric": self.dielectric,
            "band_edges": self.band_edges,
            "oriented_bulk": self.oriented_bulk,
            "slab_relaxation": self.slab_relaxation,
            "slab_potential": self.slab_potential,
            "hydrogen_molecule": self.hydrogen_molecule,
            "water_molecule": self.water_molecule,
        }
        if self.slab_relaxation and self.slab_relaxation.potential:
            del documents["slab_potential"]  # the relaxation's last step, not one of its own
        return {name: doc.calculation for name, doc in documents.items() if doc is not None}


def surface_levels(
    steps: SurfaceSteps, identifier: str, provenance: Mapping[str, str] | None = None
) -> SurfaceLevelsDocument:
    """Align the bulk's band edges with the vacuum level of the slab.

    Parameters
    ----------
    steps
        Documents of all steps; slab and band edges must come from the same bulk structure.
    identifier
        Identifier of the result.
    provenance
        Step name to the uuid of the job that made it.

    Raises
    ------
    MetallicError
        When the gap is not positive.
    PhysicsInputError
        When the documents do not fit together.
    """
    surface, edges = steps.surface, steps.band_edges
    slab = steps.slab_potential.structure
    profile = potential.PlanarProfile(
        np.array(steps.slab_potential.planar_average), potential.cell_height(slab.lattice.matrix)
    )
    heights = slab.frac_coords[:, 2] * profile.period
    regions = potential.slab_regions(heights, profile.period)
    step = alignment.potential_step(profile, regions, surface.bulk_repeat)
    sites = alignment.site_alignment(
        steps.slab_potential.site_potentials,
        edges.site_potentials,
        slab.site_properties["bulk_site"],
        heights,
        regions,
        surface.bulk_repeat,
    )
    corrections = _level_corrections(steps)
    correction = sum(corrections.values())
    ip = alignment.ionization_potential(step.value + correction, edges.valence_band_maximum)
    ip_sites = alignment.ionization_potential(
        step.vacuum_level + correction - sites.reference, edges.valence_band_maximum
    )
    parts = _convergence_parts(steps, ip_sites - ip)
    error = combined_error(parts) if parts else None
    gamma, oxygen = _surface_energy(steps), _oxygen_energy(steps)
    balanced = not surface.excess_oxygen
    checks = [
        *step.checks,
        alignment.site_agreement(ip, ip_sites),
        *([_positive_surface_energy(gamma)] if balanced else []),
        *_convergence_check(steps, error),
        *_step_checks(steps),
    ]
    failed = sorted({check.name for check in checks if not check.passed})
    smooth = potential.macroscopic_average(profile, surface.bulk_repeat)
    return SurfaceLevelsDocument(
        identifier=identifier,
        state=ResultState.FLAGGED if failed else ResultState.PASSED,
        **surface.identity,
        surface_identifier=surface.identifier,
        surface_name=surface.name,
        functional=edges.functional,
        semilocal_functional=edges.semilocal_functional,
        quality=steps.slab_potential.calculation.quality,
        relaxed=steps.slab_relaxation is not None,
        ionization_potential=ip,
        electron_affinity=alignment.electron_affinity(ip, edges.band_gap),
        band_gap=edges.band_gap,
        surface_energy=gamma if balanced else None,
        surface_energy_method=_surface_energy_method(provenance or {}),
        surface_energy_oxygen_rich=None if balanced else gamma,
        oxygen_energy=oxygen,
        oxygen_reference=FROM_WATER if oxygen is not None else "",
        dielectric_constant=edges.dielectric_constant,
        exchange_fraction=edges.exchange_fraction,
        potential_step=step.value,
        level_corrections=corrections,
        convergence_error=error,
        convergence_parts=parts,
        ionization_potential_site_potentials=ip_sites,
        semilocal_ionization_potential=alignment.ionization_potential(
            step.value + correction, edges.semilocal_valence_band_maximum
        ),
        semilocal_band_gap=edges.semilocal_conduction_band_minimum
        - edges.semilocal_valence_band_maximum,
        checks=checks,
        failed_checks=failed,
        warnings=_warnings(steps),
        bulk_structure=edges.structure,
        slab_structure=slab,
        unrelaxed_slab_structure=surface.slab,
        potential=PotentialProfile(
            positions=profile.heights.tolist(),
            planar_average=(profile.values - step.vacuum_level).tolist(),
            macroscopic_average=(smooth.values - step.vacuum_level).tolist(),
        ),
        provenance=dict(provenance or {}),
        levels_version=LEVELS_VERSION,
        **_method(steps),
    )


def _level_corrections(steps: SurfaceSteps) -> dict[str, float]:
    """What the vacuum level would still do: on the way to the minimum, and with the centre released."""
    relaxation = steps.slab_relaxation
    if relaxation is None or relaxation.predicted_error is None:
        return {}
    changes = {
        "relaxation": relaxation.predicted_change or 0.0,
        "held_centre": CENTRE_SHARE * (relaxation.centre_change or 0.0),
    }
    return {name: change for name, change in changes.items() if change}


def _convergence_parts(steps: SurfaceSteps, alignments_apart: float) -> dict[str, float]:
    """What the error of the IP is made of, eV; nothing where a part is not known."""
    relaxation, parts = steps.slab_relaxation, {"alignment": abs(alignments_apart)}
    if relaxation is not None:
        if relaxation.predicted_error is None:
            return {}
        parts["relaxation"] = relaxation.predicted_error
        parts["held_centre"] = CENTRE_SHARE * abs(relaxation.centre_change or 0.0)
        if (
            relaxation.level_per_force is not None
            and relaxation.calculation.force_noise is not None
        ):
            parts["forces"] = relaxation.level_per_force * relaxation.calculation.force_noise
    numerical = steps.slab_potential.calculation.numerical_error
    if numerical is not None:
        parts["settings"] = numerical
    return parts


def _convergence_check(steps: SurfaceSteps, error: float | None) -> list[Check]:
    """Hold the error to what the preset promises, where the relaxation watched the level itself."""
    quality = steps.slab_potential.calculation.quality
    relaxation = steps.slab_relaxation
    if error is None or quality not in list(Quality) or (relaxation and not relaxation.steps):
        return []
    return [
        within(
            "convergence_error",
            error,
            Quality(quality).promised_error,
            "eV",
            f"How far the IP may be from its converged value, against what '{quality}' promises.",
        )
    ]


def _surface_energy(steps: SurfaceSteps) -> float:
    """Surface energy (J/m^2) against the bulk cell that is oriented like the slab, and oxygen gas."""
    excess = steps.surface.excess_oxygen
    n_bulk = (steps.slab_potential.structure.num_sites - excess) / steps.oriented_bulk.n_atoms
    energy = steps.slab_potential.energy
    if excess:
        energy -= excess * _required(_oxygen_energy(steps))
    return surface_energy(energy, steps.oriented_bulk.energy, n_bulk, steps.surface.area)


def _oxygen_energy(steps: SurfaceSteps) -> float | None:
    """Energy of half an O2 molecule, eV; None where no molecules were computed."""
    if steps.water_molecule is None or steps.hydrogen_molecule is None:
        return None
    return oxygen_energy(steps.water_molecule.energy, steps.hydrogen_molecule.energy)


def _required(energy: float | None) -> float:
    if energy is None:
        raise PhysicsInputError(
            "a slab with more or less oxygen than its crystal, without the energy of oxygen",
            "the energies of the molecules H2O and H2 by the same method",
            "compute the surface with 'surfalign run', which adds them",
        )
    return energy


def _surface_energy_method(provenance: Mapping[str, str]) -> str:
    """Which bulk cell was taken: imported calculations have no cell oriented like the slab."""
    oriented = provenance.get("oriented_bulk")
    if oriented is not None and oriented == provenance.get("bulk"):
        return "bulk cell"
    return "oriented bulk cell"


def _positive_surface_energy(gamma: float) -> Check:
    shortfall = min(gamma, 0.0)
    return within(
        "surface_energy_positive",
        shortfall,
        0.0,
        "J/m^2",
        "A crystal gains nothing by being cut: the surface energy must not be negative.",
    )


def _step_checks(steps: SurfaceSteps) -> list[Check]:
    """The checks of the steps, named after their step: several steps hold the same check."""
    return [
        replace(check, name=f"{step}_{check.name}")
        for step, record in steps.calculations.items()
        for check in record.checks
    ]


def _warnings(steps: SurfaceSteps) -> list[str]:
    found = [w for record in steps.calculations.values() for w in record.warnings]
    heavy = sorted(
        {el.symbol for el in steps.bulk.structure.composition.elements} & SPIN_ORBIT_ELEMENTS
    )
    if heavy and not steps.band_edges.spin_orbit:
        found.append(
            f"spin_orbit_neglected: {', '.join(heavy)} splits bands by more than about 0.1 eV"
        )
    edges = steps.band_edges
    if edges.exchange_fraction > 0 and edges.self_consistency_gap_correction is None:
        found.append(
            "self_consistency_neglected: the one-shot gap, and with it EA, is off by up to 1 eV "
            "where the conduction band is d-like; the page of the engine says how to include it"
        )
    if steps.surface.excess_oxygen:
        found.append(
            "spin_neglected: the electrons or holes that a change of oxygen leaves may be magnetic; "
            "the slab was computed without spin"
        )
    return found


def _method(steps: SurfaceSteps) -> dict[str, object]:
    """Engine, versions, settings and cost of a result."""
    records = steps.calculations
    main = steps.slab_potential.calculation
    settings = {name: record.settings for name, record in records.items()}
    versions: dict[str, str] = {}
    for record in records.values():
        versions |= record.code_versions
    return {
        "engine": main.engine,
        "engine_version": main.engine_version,
        "code_versions": versions,
        "settings": settings,
        "corrections": [
            correction.model_copy(update={"stage": f"{name} {correction.stage}".strip()})
            for name, record in records.items()
            for correction in record.corrections
        ],
        "archives": {
            name: record.archive.path for name, record in records.items() if record.archive
        },
        "settings_hash": hash_of(settings),
        "timings": [
            StepTiming(step=name, wall_time=r.wall_time, cpu_time=r.cpu_time, cores=r.cores)
            for name, r in records.items()
        ],
    }
