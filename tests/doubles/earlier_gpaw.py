"""The embedded engine's settings and relaxation as version 0.1 had them: what its stores are found by.

Only their names and fields count here; nothing of it is ever run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from jobflow import job
from monty.json import MSONable
from pymatgen.core import Structure

from surfalign.stores.documents import SlabRelaxationDocument
from surfalign.workflows.engines.engine import Engine
from surfalign.workflows.engines.gpaw.makers import (
    GpawBandEdgesMaker,
    GpawBulkMaker,
    GpawDielectricMaker,
    GpawRelaxMaker,
    GpawSlabPotentialMaker,
)


@dataclass(frozen=True)
class GpawSettings(MSONable):
    """Preset ``quick``."""

    #: No field in those days; today's estimates of cost ask for it.
    grid_spacing: ClassVar[float] = 0.19

    quality: str = "quick"
    cutoff: float = 400.0
    k_spacing: float = 0.55
    slab_thickness: float = 12.5
    vacuum_thickness: float = 15.0
    self_consistent_exchange: bool = False
    smearing: float = 0.05
    empty_band_fraction: float = 0.1
    energy_tolerance: float = 1e-5
    density_tolerance: float = 2e-4
    eigenstates_tolerance: float = 1e-6
    max_scf_iterations: int = 100
    force_tolerance: float = 0.08
    max_relaxation_steps: int = 40
    dielectric_k_spacing: float = 0.55
    dielectric_band_energy: float = 40.0
    dielectric_cutoff: float = 50.0
    hybrid_k_spacing: float = 0.55
    hybrid_window: float = 0.2
    exchange_mesh: int = 2
    exchange_cutoff: float = 400.0
    exchange_empty_bands: int = 8


@dataclass
class GpawSlabRelaxMaker(GpawRelaxMaker):
    """ASE's optimiser on the forces of GPAW."""

    stable_name: ClassVar[str] = "gpaw.slab_relaxation"
    name: str = "gpaw slab relaxation"
    settings: GpawSettings = field(default_factory=GpawSettings)

    @job(output_schema=SlabRelaxationDocument)
    def make(self, slab: Structure) -> SlabRelaxationDocument:
        raise NotImplementedError


def make_engine(quality: str, functional: str, equation_of_state: bool) -> Engine:
    """What ``ENGINES`` names."""
    settings = GpawSettings()
    assert (quality, functional, equation_of_state) == ("quick", "ddh", False)
    return Engine(
        name="gpaw", quality=quality, functional=functional,
        bulk_maker=GpawBulkMaker(settings=settings),
        oriented_bulk_maker=GpawBulkMaker(
            name="gpaw oriented bulk", settings=settings, relax=False, oriented=True
        ),
        dielectric_maker=GpawDielectricMaker(settings=settings),
        band_edges_maker=GpawBandEdgesMaker(settings=settings, functional=functional),
        slab_relax_maker=GpawSlabRelaxMaker(settings=settings),
        slab_potential_maker=GpawSlabPotentialMaker(settings=settings),
        slab_thickness=settings.slab_thickness, vacuum_thickness=settings.vacuum_thickness,
    )  # fmt: skip
