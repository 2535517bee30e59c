"""Band edges of a bulk crystal against its average electrostatic potential (child side).

The edges are found with PBEsol on an even mesh centred at Gamma, which holds the usual extrema, and
computed there with the hybrid on the PBEsol density (one shot). The gap is corrected for
self-consistency on a coarse mesh (:mod:`.exchange`). The VBM is that of the one-shot hybrid; why, and
what it costs in accuracy, is in docs/explanation/hybrid-band-edges.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.units import Bohr
from numpy.typing import NDArray

from surfalign.errors import ConfigurationError, MetallicError
from surfalign.physics.checks import Check, within
from surfalign.workflows.engines.functionals import hybrid_of
from surfalign.workflows.engines.gpaw.child import exchange, ground_state
from surfalign.workflows.engines.gpaw.child.spin_orbit import spin_orbit_change

Floats = NDArray[np.float64]

#: Edges nearer than this count as degenerate, eV.
_DEGENERATE = 0.02
#: Bands on each side of the gap that may become the edge with the hybrid.
_EDGE_BANDS = 3
#: Empty bands for spin-orbit coupling: 6 instead of 12 change the CBM of PbS by some 0.03 eV.
_SPIN_ORBIT_BANDS = 12
#: Bands of one k-point nearer than this are one multiplet, and shift alike, eV.
_MULTIPLET = 0.005
#: Most k-points tried with the hybrid on each side.
_MOST_CANDIDATES = 4
#: Eigenstates at this tolerance give eigenvalues to well below 1 meV, eV^2 per electron.
_EIGENSTATES_TOLERANCE = 1e-6
#: Tolerances of the coarse cycles, whose errors cancel in a difference.
_COARSE = {"eigenstates_tolerance": 1e-5, "density_tolerance": 1e-4, "energy_tolerance": 1.0}
#: Tolerance of the gap's self-consistency, eV.
_SELF_CONSISTENCY = 0.01
#: Tolerance of the zero of the potential, eV.
_POTENTIAL_ZERO = 1e-3


@dataclass(frozen=True)
class Edges:
    """VBM and CBM (eV) and the k-points (reduced) where they lie."""

    valence: float
    conduction: float
    valence_point: tuple[float, ...]
    conduction_point: tuple[float, ...]

    @property
    def gap(self) -> float:
        """The band gap, eV."""
        return self.conduction - self.valence

    @property
    def is_direct(self) -> bool:
        """Whether both edges lie at the same k-point."""
        return bool(np.allclose(self.valence_point, self.conduction_point, atol=1e-6))


def band_edges(
    atoms: Atoms,
    functional: str,
    exchange_fraction: float | None,
    settings: dict[str, Any],
    report: Callable[[str], None],
    *,
    spin_orbit: bool = False,
) -> dict[str, Any]:
    """Compute the band edges of a bulk insulator.

    Parameters
    ----------
    atoms
        Primitive cell.
    functional
        ``ddh``, ``hse06``, ``pbe0`` or ``pbesol``.
    exchange_fraction
        Fraction of exact exchange, needed by ``ddh`` and fixed by the others.
    settings
        ``GpawSettings.numerical()``.
    report
        Shows progress.
    spin_orbit
        Whether spin-orbit coupling is added to the edges.

    Returns
    -------
    dict
        Fields of ``BandEdgesDocument``, ``checks``, and what was sampled: ``sampled_k_points`` (reduced),
        ``highest_filled`` and ``lowest_empty`` (PBEsol, eV) at each of them.

    Raises
    ------
    MetallicError
        When the gap closes, with PBEsol or with the hybrid.
    ConvergenceError
        When a self-consistent cycle does not converge.
    """
    hybrid = libxc_hybrid(functional, exchange_fraction)
    n_occupied = ground_state.count_occupied_bands(atoms)
    n_empty = _SPIN_ORBIT_BANDS if spin_orbit else _EDGE_BANDS + 3
    calculator, semilocal = _semilocal(atoms, n_occupied, n_empty, settings, report)
    zero = float(np.mean(calculator.get_electrostatic_potential()))
    result = _semilocal_fields(calculator, semilocal, zero) | _sampled(calculator, n_occupied)
    edges, correction, checks = semilocal, None, [_zero_check(zero)]
    if hybrid is not None:
        edges = _one_shot(calculator, hybrid, n_occupied, settings["hybrid_window"], report)
        _require_gap(edges.gap, atoms, "one-shot hybrid")
        if settings["self_consistent_exchange"]:
            found = _self_consistency(atoms, hybrid, n_occupied, settings, report)
            correction = found.gap_correction
            checks.append(_self_consistency_check(found))
    gap = edges.gap + (correction or 0.0)
    _require_gap(gap, atoms, "self-consistent hybrid")
    top, coupling = edges.valence, {}
    if spin_orbit:
        report("spin-orbit coupling of the band edges")
        change = spin_orbit_change(calculator, n_occupied, gap - semilocal.gap)
        top, gap = top + change.valence, gap + change.conduction - change.valence
        _require_gap(gap, atoms, "with spin-orbit coupling")
        coupling = change.fields()
    return (
        result
        | coupling
        | {
            "exchange_fraction": hybrid.fraction if hybrid else 0.0,
            "screening": hybrid.screening / Bohr if hybrid else 0.0,
            "valence_band_maximum": top - zero,
            "conduction_band_minimum": top - zero + gap,
            "band_gap": gap,
            "one_shot_band_gap": edges.gap if hybrid else None,
            "self_consistency_gap_correction": correction,
            "valence_band_k_point": list(edges.valence_point),
            "conduction_band_k_point": list(edges.conduction_point),
            "is_direct": edges.is_direct,
            "checks": [asdict(check) for check in checks],
        }
    )


def libxc_hybrid(functional: str, exchange_fraction: float | None) -> exchange.LibxcHybrid | None:
    """Return the hybrid of a name; None for ``pbesol``.

    Raises
    ------
    ConfigurationError
        When the name is unknown or ``ddh`` comes without a fraction between 0 and 1.
    """
    hybrid = hybrid_of(functional)
    if hybrid is None:
        return None
    fraction = hybrid.exchange_fraction or exchange_fraction
    if fraction is None or not 0.0 < fraction < 1.0:
        raise ConfigurationError(
            f"the dielectric-dependent hybrid got the exchange fraction {exchange_fraction}",
            "a number between 0 and 1",
            "run the dielectric step first",
        )
    return exchange.to_libxc(hybrid, fraction)


def even_mesh(cell: Floats, spacing: float) -> dict[str, Any]:
    """Return an even mesh centred at Gamma, which holds the centres of all zone faces and edges.

    Parameters
    ----------
    cell
        Lattice vectors as rows, angstrom, shape (3, 3).
    spacing
        Largest distance of neighbouring points, 1/angstrom (2 pi included).
    """
    lengths = np.linalg.norm(2 * np.pi * np.linalg.inv(cell), axis=0)
    size = [2 * max(1, math.ceil(length / spacing / 2 - 1e-3)) for length in lengths]
    return {"size": size, "gamma": True}


def coarse_mesh(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the mesh of the self-consistency correction."""
    return {"size": [settings["exchange_mesh"]] * 3, "gamma": True}


def meshes(cell: Floats, functional: str, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all meshes that :func:`band_edges` goes through."""
    even = even_mesh(cell, settings["hybrid_k_spacing"])
    corrected = settings["self_consistent_exchange"] and functional != "pbesol"
    return [even, coarse_mesh(settings)] if corrected else [even]


def candidates(energies: Floats, window: float, *, highest: bool) -> list[int]:
    """Return the k-points whose band edge may be the extremum with a hybrid, best first.

    Parameters
    ----------
    energies
        Edge at each k-point, eV, shape (n_k,).
    window
        Largest distance from the extremum, eV.
    highest
        Whether the extremum is a maximum.
    """
    distance = energies.max() - energies if highest else energies - energies.min()
    order = np.argsort(distance, kind="stable")
    return [int(k) for k in order[:_MOST_CANDIDATES] if distance[k] <= window]


def count_bands_to_try(levels: Floats, window: float) -> int:
    """Return how many bands of one k-point may become the edge with a hybrid.

    Parameters
    ----------
    levels
        Energies from the semilocal edge inwards, eV.
    window
        Largest distance from the edge, eV.
    """
    depth = np.abs(levels[:_EDGE_BANDS] - levels[0])
    near = int((depth <= window).sum())
    return 1 if depth[near - 1] < _MULTIPLET else near


def _semilocal(
    atoms: Atoms,
    n_occupied: int,
    n_empty: int,
    settings: dict[str, Any],
    report: Callable[[str], None],
) -> tuple[Any, Edges]:
    kpts = even_mesh(atoms.cell.array, settings["hybrid_k_spacing"])
    report(f"PBEsol on a mesh of {'x'.join(map(str, kpts['size']))}")
    tolerance = max(settings["eigenstates_tolerance"], _EIGENSTATES_TOLERANCE)
    calculator = ground_state.make_calculator(
        atoms,
        settings | {"eigenstates_tolerance": tolerance},
        kpts=kpts,
        nbands=n_occupied + max(n_empty, n_occupied // 8),
        converge_bands=n_occupied + _EDGE_BANDS,
    )
    ground_state.converge(calculator, atoms, report)
    energies = calculator.eigenvalues()[0]
    points = np.asarray(calculator.get_ibz_k_points())
    edges = _extrema(energies[:, n_occupied - 1], energies[:, n_occupied], points)
    ground_state.require_insulator(edges.gap, atoms)
    return calculator, edges


def _one_shot(
    calculator: Any,
    hybrid: exchange.LibxcHybrid,
    n_occupied: int,
    window: float,
    report: Callable[[str], None],
) -> Edges:
    """Return the edges of the hybrid on the PBEsol orbitals.

    Points that are tried for one edge only keep the other edge out of the search.
    """
    levels = calculator.eigenvalues()[0]
    tops = candidates(levels[:, n_occupied - 1], window, highest=True)
    bottoms = candidates(levels[:, n_occupied], window, highest=False)
    report(f"exact exchange ({hybrid.fraction:.2f}) at {len({*tops, *bottoms})} k-point(s)")
    one_shot = exchange.OneShot(calculator, hybrid)
    valence = np.full(len(levels), -np.inf)
    conduction = np.full(len(levels), np.inf)
    for k in tops:
        n = count_bands_to_try(levels[k, :n_occupied][::-1], window)
        valence[k] = one_shot.eigenvalues(k, n_occupied - n, n_occupied).max()
    for k in bottoms:
        n = count_bands_to_try(levels[k, n_occupied:], window)
        conduction[k] = one_shot.eigenvalues(k, n_occupied, n_occupied + n).min()
    return _extrema(valence, conduction, np.asarray(calculator.get_ibz_k_points()))


def _self_consistency(
    atoms: Atoms,
    hybrid: exchange.LibxcHybrid,
    n_occupied: int,
    settings: dict[str, Any],
    report: Callable[[str], None],
) -> exchange.SelfConsistency:
    """Return the edges of the hybrid on the coarse mesh, before and after self-consistency."""
    report("self-consistent exchange on a coarse mesh")
    cutoff = min(settings["cutoff"], settings["exchange_cutoff"])
    coarse = settings | _COARSE | {"cutoff": cutoff}
    calculator = ground_state.make_calculator(
        atoms,
        coarse,
        kpts=coarse_mesh(settings),
        nbands=n_occupied + settings["exchange_empty_bands"],
        converge_bands=n_occupied + 1,
    )
    ground_state.converge(calculator, atoms, report)
    return exchange.self_consistent_edges(
        calculator, hybrid, n_occupied, tolerance=_SELF_CONSISTENCY, report=report
    )


def _extrema(tops: Floats, bottoms: Floats, points: Floats) -> Edges:
    """Return the edges of the highest occupied and lowest empty levels at some k-points, eV.

    Of degenerate k-points the CBM takes that of the VBM where it can, so that a direct gap is one.
    """
    highest = int(tops.argmax())
    lowest = int(bottoms.argmin())
    if bottoms[highest] - bottoms[lowest] < _DEGENERATE:
        lowest = highest
    return Edges(
        float(tops.max()), float(bottoms.min()), _reduced(points[highest]), _reduced(points[lowest])
    )


def _reduced(point: Floats) -> tuple[float, ...]:
    """Return a k-point without rounding noise (and without negative zeros)."""
    return tuple(round(float(x), 8) + 0.0 for x in point)


def _semilocal_fields(calculator: Any, edges: Edges, zero: float) -> dict[str, Any]:
    potentials = calculator.dft.electrostatic_potential().atomic_potentials()
    return {
        "semilocal_valence_band_maximum": edges.valence - zero,
        "semilocal_conduction_band_minimum": edges.conduction - zero,
        "site_potentials": [float(v) - zero for v in potentials],
        "k_points": [int(n) for n in calculator.dft.ibzwfs.ibz.bz.size_c],
    }


def _sampled(calculator: Any, n_occupied: int) -> dict[str, Any]:
    """Return the k-points of the mesh, up to symmetry, and the PBEsol levels on both sides of the gap."""
    levels = calculator.eigenvalues()[0]
    return {
        "sampled_k_points": np.asarray(calculator.get_ibz_k_points()).tolist(),
        "highest_filled": levels[:, n_occupied - 1].tolist(),
        "lowest_empty": levels[:, n_occupied].tolist(),
    }


def _zero_check(zero: float) -> Check:
    return within(
        "potential_zero",
        zero,
        _POTENTIAL_ZERO,
        "eV",
        "average of the bulk's electrostatic potential, subtracted from all levels",
    )


def _self_consistency_check(found: exchange.SelfConsistency) -> Check:
    return within(
        "exchange_self_consistency",
        found.remaining_change,
        _SELF_CONSISTENCY,
        "eV",
        "change of the gap that further exchange operators would bring",
    )


def _require_gap(gap: float, atoms: Atoms, what: str) -> None:
    if gap < ground_state.SMALLEST_GAP:
        raise MetallicError(
            f"the gap of {atoms.get_chemical_formula(mode='metal')} closes: {gap:.2f} eV ({what})",
            f"a gap above {ground_state.SMALLEST_GAP} eV",
            "ionization potential and electron affinity are defined for insulators only",
        )
