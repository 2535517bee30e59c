"""What a list of crystals states of each: the field names of databases, as a plan understands them."""

from __future__ import annotations

import math
from typing import Any

#: Beginnings of names, as in lists of one's own: gap_ddh_ev, ehull_pbesol, max_magmom.
_BEGINNINGS = {
    "gap": "band_gap",
    "band_gap": "band_gap",
    "ehull": "hull_energy",
    "e_hull": "hull_energy",
    "max_magmom": "magnetic_moment",
}
#: Names of databases. Materials Project: energy_above_hull, total_magnetization (Bohr magnetons a cell;
#: e_above_hull in its former interface). JARVIS: optb88vdw_bandgap, magmom_outcar. AFLOW: Egap.
_NAMES = {
    "energy_above_hull": "hull_energy",
    "e_above_hull": "hull_energy",
    "total_magnetization": "magnetic_moment",
    "magmom_outcar": "magnetic_moment",
    "optb88vdw_bandgap": "band_gap",
    "egap": "band_gap",
}
#: Numbers that describe the structure itself, or another purpose; to leave them unused is no loss.
_NO_MATTER = frozenset(
    ("nsites", "nelements", "num_sites", "num_elements", "natoms", "n_atoms", "volume", "density",
     "density_atomic", "z", "id", "space_group_number", "spacegroup_number", "spg_number", "charge",
     "total_charge")
)  # fmt: skip
#: Orders of moments that are none, as the Materials Project writes them.
_NONMAGNETIC = ("NM", "UNKNOWN", "")


def read_facts(record: dict[str, Any]) -> tuple[dict[str, float], tuple[str, ...]]:
    """Read what a record states of its crystal.

    Parameters
    ----------
    record
        All fields of an entry.

    Returns
    -------
    facts
        ``band_gap`` (eV), ``hull_energy`` (eV/atom above the hull), ``magnetic_moment`` (Bohr magnetons)
        and ``magnetic`` (1 where the crystal is said to be).
    unused
        Names of other fields with numbers.
    """
    facts: dict[str, float] = {}
    unused = []
    for name in sorted(record):
        fact = _fact(name)
        number = _number(record[name])
        if number is None:
            continue
        if fact is not None:
            facts.setdefault(fact, number)
        elif name.lower() not in _NO_MATTER:
            unused.append(name)
    if record.get("is_metal") is True:
        facts.setdefault("band_gap", 0.0)
    # The moments of an antiferromagnet sum to nothing.
    ordering = str(record.get("ordering") or "").upper()
    if record.get("is_magnetic") is True or ordering not in _NONMAGNETIC:
        facts["magnetic"] = 1.0
    return facts, tuple(unused)


def _fact(name: str) -> str | None:
    lower = name.lower()
    return _NAMES.get(lower) or next(
        (fact for beginning, fact in _BEGINNINGS.items() if lower.startswith(beginning)), None
    )


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
