"""What an OUTCAR says, read in one pass over its text.

pymatgen's reader of the potentials at the cores looks for the whole table with one expression, which takes for ever
where a character of it was changed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from surfalign.workflows.engines.vasp.outputs.files import named, text_of
from surfalign.workflows.engines.vasp.outputs.phrases import (
    END_OF_OUTCAR,
    ENERGY_IN_OUTCAR,
    HEAD_OF_CORE_POTENTIALS,
    SOFT_STOP,
)

_ENERGY = re.compile(r"\s*=\s*(-?\d+\.\d+)")
_TO_THE_END_OF_A_LINE = re.compile(r"[^\n]*\n")
#: Five numbered potentials stand in a line; a long one leaves no space behind its number.
_CORE_POTENTIAL = re.compile(r"\s*(\d+)\s*(-?\d+\.\d+)")


@dataclass(frozen=True)
class Outcar:
    """What is read from an OUTCAR.

    Parameters
    ----------
    finished
        Whether VASP came to its own end, whatever follows the last block (a profile).
    stopped
        Whether it was asked to stop and obeyed.
    energy
        The last total energy, smearing extrapolated away, eV.
    core_potentials
        Electrostatic potential energy of an electron at the cores, last ionic step, eV.
    """

    finished: bool
    stopped: bool
    energy: float | None
    core_potentials: tuple[float, ...]


def read_outcar(path: Path) -> Outcar:
    """Read an OUTCAR, compressed or not, of a run that came to its end or did not.

    Raises
    ------
    EngineKilledError
        When a compressed one breaks off.
    """
    with named(path):
        text = text_of(path)
    place = text.rfind(ENERGY_IN_OUTCAR)
    energy = _ENERGY.match(text, place + len(ENERGY_IN_OUTCAR)) if place >= 0 else None
    return Outcar(
        finished=END_OF_OUTCAR in text,
        stopped=SOFT_STOP in text,
        energy=float(energy[1]) if energy else None,
        core_potentials=_core_potentials(text),
    )


def _core_potentials(text: str) -> tuple[float, ...]:
    """Return the potentials of the last table, up to the first that is not the next one."""
    place = text.rfind(HEAD_OF_CORE_POTENTIALS)
    head = _TO_THE_END_OF_A_LINE.match(text, place) if place >= 0 else None
    values: list[float] = []
    position = head.end() if head else len(text)
    while (found := _CORE_POTENTIAL.match(text, position)) and int(found[1]) == len(values) + 1:
        values.append(float(found[2]))
        position = found.end()
    return tuple(values)
