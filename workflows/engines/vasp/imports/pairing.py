"""Which finished calculations belong together: each slab with its bulk, and what else there is."""

from __future__ import annotations

from dataclasses import dataclass, replace

from surfalign.errors import SurfalignError
from surfalign.physics.slabs.recognition import recognise_slab
from surfalign.stores.documents import Functional
from surfalign.workflows.engines.vasp.imports.compatibility import (
    disagreements,
    same_cell,
    same_crystal,
)
from surfalign.workflows.engines.vasp.imports.finding import FinishedCalculation, Kind, Refusal
from surfalign.workflows.engines.vasp.outputs.calculation import find_file
from surfalign.workflows.engines.vasp.outputs.provenance import exchange, functional_name

#: Fraction of exchange and screening (1/angstrom) of the named hybrids.
_NAMED = {Functional.HSE06.value: (0.25, 0.2), Functional.PBE0.value: (0.25, 0.0)}


@dataclass(frozen=True)
class Pair:
    """The calculations behind one result.

    Parameters
    ----------
    bulk, slab
        The semilocal bulk, and the slab with its potential.
    hybrid, dielectric, relaxation
        What else there is.
    """

    bulk: FinishedCalculation
    slab: FinishedCalculation
    hybrid: FinishedCalculation | None = None
    dielectric: FinishedCalculation | None = None
    relaxation: FinishedCalculation | None = None

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
    for slab in _of(found, Kind.SLAB_POTENTIAL):
        bulks = [b for b in _of(found, Kind.BULK) if b.formula == slab.formula]
        if not bulks:
            reason = f"no semilocal bulk calculation of {slab.formula} in these folders"
            refusals.append(Refusal((slab.directory,), reason))
            continue
        fitting, reasons = _fitting(slab, bulks)
        if not fitting:
            refusals += [refuse(slab, bulk, reason) for bulk, reason in reasons]
            continue
        pairs += _with_hybrids(slab, fitting, found, refusals)
    return pairs


def _fitting(
    slab: FinishedCalculation, bulks: list[FinishedCalculation]
) -> tuple[list[FinishedCalculation], list[tuple[FinishedCalculation, str]]]:
    """The bulk calculations on the scale of a slab, best first; for the others the reason."""
    good, reasons = [], []
    for bulk in bulks:
        against = disagreements(bulk.run, slab.run)
        try:
            recognise_slab(bulk.run.structure, slab.run.structure)
        except SurfalignError as error:
            against.append(error.found)
        if against:
            reasons.append((bulk, "; ".join(against)))
        else:
            good.append(bulk)
    return sorted(good, key=_goodness, reverse=True), reasons


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
        same = [b for b in bulks if same_crystal(b.run, hybrid.run)]
        against = (
            disagreements(same[0].run, hybrid.run, functional=False)
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
        if c.formula == pair.bulk.formula and same_crystal(c.run, pair.bulk.run)
    ]
    start = pair.slab.run.initial_structure
    relaxations = [
        c
        for c in _of(found, Kind.SLAB_RELAXATION)
        if same_cell(c.run.structure, start) and not disagreements(c.run, pair.slab.run)
    ]
    wants_tensor = pair.hybrid is not None and functional_label(pair.hybrid) == Functional.DDH
    return replace(
        pair,
        dielectric=tensors[0] if tensors and wants_tensor else None,
        # One run may have relaxed the slab and written its potential.
        relaxation=pair.slab if pair.slab.run.relaxing else next(iter(relaxations), None),
    )


def _of(found: list[FinishedCalculation], kind: Kind) -> list[FinishedCalculation]:
    return [c for c in found if c.kind is kind]


def refuse(one: FinishedCalculation, other: FinishedCalculation, reason: str) -> Refusal:
    """Return the refusal of two calculations as a pair."""
    return Refusal((one.directory, other.directory), reason)


def functional_label(calculation: FinishedCalculation) -> str:
    """The name under which band edges are stored and queried."""
    if calculation.kind is not Kind.HYBRID:
        name = functional_name(calculation.run)
        return Functional.PBESOL.value if name == "PBEsol" else name.lower().replace(" ", "")
    fraction, screening = exchange(calculation.run)
    for name, (known_fraction, known_screening) in _NAMED.items():
        if abs(fraction - known_fraction) < 1e-3 and abs(screening - known_screening) < 0.01:
            return name
    return Functional.DDH.value if not screening else f"hybrid-{fraction:g}-{screening:g}"
