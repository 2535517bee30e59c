"""Sentences of VASP that its readers and recoveries look for."""

from __future__ import annotations

#: Heads the last block of an OUTCAR whose run came to its end.
END_OF_OUTCAR = "General timing and accounting"
#: What VASP prints of wave functions that it was told to read.
WAVE_FUNCTIONS_READ = "WAVECAR file was read successfully"
WAVE_FUNCTIONS_NOT_READ = "WAVECAR not read"
