"""From the folders of finished VASP calculations to the band edges of the bulk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from surfalign.errors import EngineError, MetallicError
from surfalign.stores.documents import BandEdgesDocument, Functional
from surfalign.workflows.engines.edge_sampling import EdgeSampling, edge_sampling, holds
from surfalign.workflows.engines.vasp.outputs import bands
from surfalign.workflows.engines.vasp.outputs.bands import BandEdges
from surfalign.workflows.engines.vasp.outputs.calculation import Calculation, converged
from surfalign.workflows.engines.vasp.outputs.files import find_file
from surfalign.workflows.engines.vasp.outputs.phrases import wave_functions_unfit
from surfalign.workflows.engines.vasp.outputs.provenance import calculation_record
from surfalign.workflows.engines.vasp.outputs.reading import matching_sites
from surfalign.workflows.engines.vasp.outputs.step_context import StepContext

#: Levels that differ by less are one, eV.
_SAME_LEVEL = 1e-3


def read_band_edges(
    semilocal: Path | Calculation,
    hybrid: Path | Calculation | None,
    structure: Structure,
    context: StepContext,
    *,
    functional: str,
    exchange_fraction: float,
    screening: float,
    dielectric_constant: float | None,
    semilocal_functional: str = Functional.PBESOL.value,
    self_consistent: Path | None = None,
    potential_required: bool = True,
    band_structures: Sequence[Calculation] = (),
    hybrid_band_structures: Sequence[Calculation] = (),
) -> BandEdgesDocument:
    """Read the band edges against the average potential of the semilocal density.

    Parameters
    ----------
    semilocal
        Folder of the semilocal calculation with LOCPOT (LVHAR), of the same cell.
    hybrid
        Folder of the hybrid calculation; None where the band edges are semilocal.
    structure, context
        As for :func:`read_bulk`.
    functional, exchange_fraction, screening, dielectric_constant, semilocal_functional
        What the edges, and the density, are of; stored with them. Screening in 1/angstrom.
    self_consistent
        Folder of the self-consistent hybrid, which then sets the gap.
    potential_required
        Whether LOCPOT must be there; else VASP's convention, a mean of zero, is relied on, with a note.
    band_structures, hybrid_band_structures
        Further k-points of the same cell and potential: the edges are the extremes of all.

    Raises
    ------
    EngineError
        When a one-shot run did not read the wave functions it was told to read.
    """
    density = converged(semilocal)
    order = matching_sites(density.initial_structure, structure)
    reference, notes = _average_potential(density, potential_required)
    semilocal_bands = SampledEdges(density, band_structures)
    main, sampled = density, semilocal_bands
    if hybrid is not None:
        main = converged(hybrid)
        _require_wave_functions(main)
        sampled = SampledEdges(main, hybrid_band_structures)
    base = _relative(semilocal_bands.edges, reference)
    top = _relative(sampled.edges, reference)
    notes += sampled.notes
    sampling = sampled.sampling(semilocal_bands)
    notes += sampling.notes
    gap, correction = top.band_gap, None
    if self_consistent is not None:
        gap = converged(self_consistent).band_edges().band_gap
        correction = gap - top.band_gap
    sites = (density.site_potentials - reference)[order]
    return BandEdgesDocument(
        structure=structure,
        functional=functional,
        semilocal_functional=semilocal_functional,
        exchange_fraction=exchange_fraction,
        screening=screening,
        dielectric_constant=dielectric_constant,
        valence_band_maximum=top.valence_band_maximum,
        conduction_band_minimum=top.valence_band_maximum + gap,
        band_gap=gap,
        one_shot_band_gap=None if correction is None else top.band_gap,
        self_consistency_gap_correction=correction,
        semilocal_valence_band_maximum=base.valence_band_maximum,
        semilocal_conduction_band_minimum=base.conduction_band_minimum,
        valence_band_k_point=top.valence_band_k_point,
        conduction_band_k_point=top.conduction_band_k_point,
        is_direct=top.valence_band_k_point == top.conduction_band_k_point,
        spin_orbit=bool(main.parameters.get("LSORBIT", False)),
        site_potentials=sites.tolist(),
        calculation=calculation_record(main, context, checks=[sampling.check()], notes=notes),
    )


class SampledEdges:
    """Band edges over all k-points at which the bands of one potential are known.

    Parameters
    ----------
    run
        The calculation on the mesh.
    others
        Further k-points of the same cell and potential.

    Raises
    ------
    MetallicError
        When a gap closes.
    """

    def __init__(self, run: Calculation, others: Sequence[Calculation]) -> None:
        self.run, self.runs = run, [run, *others]
        self.mesh_edges = run.band_edges()
        self.filled = bands.filled_bands(run.vasprun)
        found = [bands.band_edges(r.vasprun, self.filled) for r in self.runs]
        top = max(found, key=lambda edges: edges.valence_band_maximum)
        bottom = min(found, key=lambda edges: edges.conduction_band_minimum)
        self.edges = BandEdges(
            top.valence_band_maximum,
            bottom.conduction_band_minimum,
            top.valence_band_k_point,
            bottom.conduction_band_k_point,
        )
        if not self.edges.band_gap > 0:
            raise MetallicError(
                f"the gap of {run.structure.composition.reduced_formula} closes along a band structure "
                f"({self.edges.band_gap:.3f} eV)",
                "an insulator",
                "leave this crystal out",
            )

    @property
    def points(self) -> NDArray[np.float64]:
        """All k-points, reduced, shape (n_k, 3)."""
        return np.concatenate([np.asarray(r.vasprun.actual_kpoints, float) for r in self.runs])

    @property
    def moved(self) -> tuple[float, float]:
        """How far the VBM lies above, and the CBM below, those of the mesh, eV."""
        mesh, best = self.mesh_edges, self.edges
        return (
            best.valence_band_maximum - mesh.valence_band_maximum,
            mesh.conduction_band_minimum - best.conduction_band_minimum,
        )

    @property
    def notes(self) -> list[str]:
        """How far a band structure has moved the edges."""
        up, down = self.moved
        if max(up, down) < _SAME_LEVEL:
            return []
        return [
            f"edges_from_band_structure: VBM {up:.3f} eV above, CBM {down:.3f} eV below those of the mesh"
        ]

    def sampling(self, semilocal: SampledEdges) -> EdgeSampling:
        """Return what may be missed, where semilocal band structures say what else there is."""
        run, known = self.run, self.points
        weighted = np.asarray(run.vasprun.actual_kpoints_weights, dtype=float) > 0
        valence, conduction = bands.edge_levels(run.vasprun, self.filled)
        further = known if semilocal is self else np.concatenate([known, semilocal.points])
        guessed = edge_sampling(
            run.structure,
            np.asarray(run.vasprun.actual_kpoints, dtype=float)[weighted],
            valence[weighted],
            conduction[weighted],
            further,
            (self.edges.valence_band_maximum, self.edges.conduction_band_minimum),
        )
        if semilocal is self:
            return guessed
        best = semilocal.edges
        points = (best.valence_band_k_point, best.conduction_band_k_point)
        missed = [(p, off) for p, off in zip(points, semilocal.moved, strict=True)]
        unseen = [0.0 if holds(run.structure, known, p) else off for p, off in missed]
        missing = [
            *(p for (p, _), off in zip(missed, unseen, strict=True) if off > _SAME_LEVEL),
            *guessed.missing,
        ]
        return EdgeSampling(
            missing,
            max(guessed.valence, unseen[0]),
            max(guessed.conduction, unseen[1]),
            guessed.possible,
        )


def _average_potential(run: Calculation, required: bool) -> tuple[float, list[str]]:
    """Mean of LOCPOT, eV, and what is to be noted of it."""
    if required or find_file(run.directory, "LOCPOT") is not None:
        return float(run.potential().mean()), []
    note = (
        "average_potential_assumed: the bulk has no LOCPOT; VASP's convention, zero, was relied on"
    )
    return 0.0, [note]


def _relative(edges: BandEdges, reference: float) -> BandEdges:
    return BandEdges(
        edges.valence_band_maximum - reference,
        edges.conduction_band_minimum - reference,
        edges.valence_band_k_point,
        edges.conduction_band_k_point,
    )


def _require_wave_functions(run: Calculation) -> None:
    if run.one_shot and wave_functions_unfit(run.stdout):
        raise EngineError(
            f"the one-shot calculation in {run.directory} found no wave functions to start from, "
            "so its eigenvalues are those of random ones",
            "the WAVECAR of the semilocal calculation in its folder",
            "repeat the semilocal calculation with LWAVE = .TRUE., then this one",
        )
