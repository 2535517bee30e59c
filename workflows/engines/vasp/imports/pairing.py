"""Which finished calculations belong together: each slab with its bulk, and what else there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from surfalign.errors import SurfalignError
from surfalign.physics.recognition.finished_slab import recognise_slab
from surfalign.workflows.engines.vasp.imports.compatibility import (
    different_potentials_of_one_cell,
    disagreements,
    same_cell,
    same_crystal,
)
from surfalign.workflows.engines.vasp.imports.finding import FinishedCalculation, Kind, Refusal
from surfalign.workflows.engines.vasp.outputs.calculation import Calculation
from surfalign.workflows.engines.vasp.outputs.files import find_file
from surfalign.workflows.engines.vasp.outputs.method import method_of


@dataclass(frozen=True)
class Pair:
    """The calculations behind one result.

    Parameters
    ----------
    bulk, slab
        The semilocal bulk, and the slab with its potential.
    hybrid, dielectric, relaxation
        What else there is.
    bands, hybrid_bands
        Further k-points of the bulk's and of the hybrid's cell and potential.
    """

    bulk: FinishedCalculation
    slab: FinishedCalculation
    hybrid: FinishedCalculation | None = None
    dielectric: FinishedCalculation | None = None
    relaxation: FinishedCalculation | None = None
    bands: tuple[FinishedCalculation, ...] = ()
    hybrid_bands: tuple[FinishedCalculation, ...] = ()

    @property
    def calculations(self) -> dict[str, FinishedCalculation]:
        """Step name to calculation, of those there are."""
        found = {
            "bulk": self.bulk,
            "dielectric": self.dielectric,
            "band_edges": self.hybrid or self.bulk,
            "slab_relaxation": self.relaxation,
            "slab_potential": self.slab,
        }
        return {step: c for step, c in found.items() if c is not None}


def find_pairs(found: list[FinishedCalculation], refusals: list[Refusal]) -> list[Pair]:
    """Return every slab with the bulk, and each hybrid of that bulk, that fit it.

    Parameters
    ----------
    found
        Calculations that can be used.
    refusals
        Takes what fits nothing, with the reason.
    """
    pairs = []
    looked_at: dict[tuple[bytes, bytes], list[str]] = {}
    for slab in _of(found, Kind.SLAB_POTENTIAL):
        bulks = [b for b in _of(found, Kind.BULK) if b.formula == slab.formula]
        if not bulks:
            reason = f"no semilocal bulk calculation of {slab.formula} in these folders"
            refusals.append(Refusal((slab.directory,), reason))
            continue
        fitting, reasons = _fitting(slab, bulks, looked_at)
        if not fitting:
            refusals += [refuse(slab, bulk, reason) for bulk, reason in reasons]
            continue
        pairs += _with_hybrids(slab, fitting, found, refusals)
    return pairs


def _fitting(
    slab: FinishedCalculation,
    bulks: list[FinishedCalculation],
    looked_at: dict[tuple[bytes, bytes], list[str]],
) -> tuple[list[FinishedCalculation], list[tuple[FinishedCalculation, str]]]:
    """The bulk calculations on the scale of a slab, best first; for the others the reason."""
    good, reasons = [], []
    for bulk in bulks:
        atoms = (bulk.atoms, slab.atoms)
        if atoms not in looked_at:
            looked_at[atoms] = _against(_no_slab_of, bulk, slab)
        against = _against(disagreements, bulk.run, slab.run) + looked_at[atoms]
        if against:
            reasons.append((bulk, "; ".join(against)))
        else:
            good.append(bulk)
    return sorted(good, key=_goodness, reverse=True), reasons


def _no_slab_of(bulk: FinishedCalculation, slab: FinishedCalculation) -> list[str]:
    recognise_slab(bulk.run.structure, slab.run.structure)  # raises where it is none
    return []


def _against(compare: Callable[..., list[str]], *runs: Any, **arguments: Any) -> list[str]:
    """What a comparison of two calculations finds; whatever it raises is a reason, too.

    The files are of other people: one that is odd in a way nobody foresaw must not end the import.
    """
    try:
        return compare(*runs, **arguments)
    except SurfalignError as error:
        return [error.found]
    except Exception as error:  # noqa: BLE001
        return [f"they cannot be compared ({type(error).__name__}: {error})"]


def _goodness(bulk: FinishedCalculation) -> tuple[bool, bool, int]:
    """A potential to refer to, ions at rest, many k-points."""
    with_potential = find_file(bulk.directory, "LOCPOT") is not None
    return with_potential, not bulk.run.relaxing, len(bulk.run.vasprun.actual_kpoints)


def _with_hybrids(
    slab: FinishedCalculation,
    bulks: list[FinishedCalculation],
    found: list[FinishedCalculation],
    refusals: list[Refusal],
) -> list[Pair]:
    pairs = []
    for hybrid in _of(found, Kind.HYBRID):
        if hybrid.formula != slab.formula:
            continue
        same = [b for b in bulks if _is_of(hybrid, b)]
        against = (
            _against(disagreements, same[0].run, hybrid.run, functional=False)
            if same
            else ["no semilocal bulk calculation of the same cell fits this slab"]
        )
        if against:
            refusals.append(refuse(slab, hybrid, "; ".join(against)))
        else:
            pairs.append(Pair(same[0], slab, hybrid))
    pairs = pairs or [Pair(bulks[0], slab)]
    return [_completed(pair, found) for pair in pairs]


def _completed(pair: Pair, found: list[FinishedCalculation]) -> Pair:
    """The pair with its dielectric tensor and the relaxation of its slab."""
    tensors = [
        c
        for c in _of(found, Kind.DIELECTRIC)
        if c.formula == pair.bulk.formula and _is_of(c, pair.bulk)
    ]
    relaxations = [c for c in _of(found, Kind.SLAB_RELAXATION) if _ends_at(c, pair.slab)]
    wants_tensor = (
        pair.hybrid is not None and method_of(pair.hybrid.run).may_be_dielectric_dependent
    )
    hybrid = pair.hybrid
    return replace(
        pair,
        bands=tuple(c for c in found if _has_bands_of(c, pair.bulk)),
        hybrid_bands=tuple(c for c in found if hybrid is not None and _has_bands_of(c, hybrid)),
        dielectric=tensors[0] if tensors and wants_tensor else None,
        # One run may have relaxed the slab and written its potential.
        relaxation=pair.slab if pair.slab.run.relaxing else next(iter(relaxations), None),
    )


def _is_of(calculation: FinishedCalculation, bulk: FinishedCalculation) -> bool:
    """Whether a calculation is of the crystal of a bulk calculation."""
    return not _against(_another_crystal, bulk.run, calculation.run)


def _another_crystal(one: Calculation, other: Calculation) -> list[str]:
    return [] if same_crystal(one, other) else ["another crystal"]


def _has_bands_of(other: FinishedCalculation, run: FinishedCalculation) -> bool:
    """Whether a calculation holds further k-points of the cell and the potential of another one.

    Along lines at its density, or with weight zero beside a mesh of its own.
    """
    weights = np.asarray(other.run.vasprun.actual_kpoints_weights, dtype=float)
    lines = other.kind is Kind.BANDS and run.kind is Kind.BULK
    if other.directory == run.directory or not (lines or (other.kind is run.kind and 0 in weights)):
        return False
    return not _against(disagreements, other.run, run.run) and not _against(
        different_potentials_of_one_cell, other.run, run.run
    )


def _ends_at(relaxation: FinishedCalculation, slab: FinishedCalculation) -> bool:
    """Whether a relaxation ends where a slab's calculation begins, by the same method."""
    return not _against(_another_start, relaxation.run, slab.run)


def _another_start(relaxation: Calculation, slab: Calculation) -> list[str]:
    if not same_cell(relaxation.structure, slab.initial_structure):
        return ["another cell"]
    return disagreements(relaxation, slab)


def _of(found: list[FinishedCalculation], kind: Kind) -> list[FinishedCalculation]:
    return [c for c in found if c.kind is kind]


def refuse(one: FinishedCalculation, other: FinishedCalculation, reason: str) -> Refusal:
    """Return the refusal of two calculations as a pair."""
    return Refusal((one.directory, other.directory), reason)
