"""Sentences of VASP that its readers and recoveries look for."""

from __future__ import annotations

import re

#: Heads the last block of an OUTCAR whose run came to its end.
END_OF_OUTCAR = "General timing and accounting"
#: Precedes the energy, smearing extrapolated away, at the end of each ionic step.
ENERGY_IN_OUTCAR = "energy(sigma->0)"
#: Heads the potentials at the cores, in the line before their table.
HEAD_OF_CORE_POTENTIALS = "(the norm of the test charge is"
#: What a run says that was asked by STOPCAR to stop, and did.
SOFT_STOP = "soft stop encountered!  aborting job"
#: What VASP prints of wave functions that it was told to read; 5.2 and older spell it with one c.
_WAVE_FUNCTIONS_READ = re.compile(r"WAVECAR file was read suc+essfully")
#: What it prints of wave functions that do not fit, even where it says so later that it has read them.
_WAVE_FUNCTIONS_UNFIT = (
    "WAVECAR not read",
    "WAVECAR: different cutoff or change in lattice found",
    "random initialization beyond band",
    "number of k-points has changed",
)


def wave_functions_read(printed: str) -> bool:
    """Return whether VASP says that it has read its wave functions, all of them, as they were."""
    return bool(_WAVE_FUNCTIONS_READ.search(printed)) and not wave_functions_unfit(printed)


def wave_functions_unfit(printed: str) -> bool:
    """Return whether VASP says that it began with random wave functions, or with changed ones."""
    return any(sentence in printed for sentence in _WAVE_FUNCTIONS_UNFIT)
