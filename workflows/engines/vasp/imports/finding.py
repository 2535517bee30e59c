"""Finished calculations in a tree of folders: found, told apart, and checked one by one.

Folders may come from atomate, from custodian or from a person's own hands: what a calculation is follows
from its parameters and its cell, never from the name of its folder.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from monty.io import zopen

from surfalign.errors import EngineError, EngineKilledError, SurfalignError
from surfalign.physics.recognition.finished_slab import LEAST_VACUUM, empty_heights, is_slab
from surfalign.workflows.engines.vasp.outputs.calculation import Calculation
from surfalign.workflows.engines.vasp.outputs.files import find_file
from surfalign.workflows.engines.vasp.outputs.phrases import wave_functions_unfit

#: Files whose contents identify a calculation, and are named in the provenance.
IDENTIFYING = ("vasprun.xml", "OUTCAR", "LOCPOT")
#: Files that make a folder one in which VASP has run.
_SIGNS = ("vasprun.xml", "OUTCAR")
#: Files that make a folder without others below it one in which VASP was to run; so does holding nothing.
_TRACES = ("INCAR", "OSZICAR", "LOCPOT", "WAVECAR", "vasp.out")
#: Tags of runs that compute something else than a ground state, and what that is.
_OTHER_RUNS = {
    "LCHIMAG": "chemical shifts: its last energy is that of the response",
    "LCALCEPS": "the response to finite electric fields",
    "EFIELD": "an applied electric field: the potential of the vacuum is no level",
    "ML_LMLFF": "a machine-learned force field, without eigenvalues",
}
_OTHER_ALGORITHMS = (
    "GW",
    "G0W0",
    "CHI",
    "BSE",
    "TDHF",
    "TIMEEV",
    "ACFDT",
    "RPA",
    "CRPA",
    "MP2",
    "2E4W",
)


class Kind(StrEnum):
    """What a calculation contributes."""

    BULK = "bulk"  # semilocal: energy, band edges, potentials
    HYBRID = "hybrid band edges"
    DIELECTRIC = "dielectric tensor"
    BANDS = "band structure"  # semilocal, at the density of a bulk calculation
    SLAB_RELAXATION = "slab relaxation"
    SLAB_POTENTIAL = "slab potential"


@dataclass(frozen=True)
class FinishedCalculation:
    """A calculation that can be used.

    Parameters
    ----------
    run
        The calculation.
    kind
        What it contributes.
    """

    run: Calculation
    kind: Kind

    @property
    def directory(self) -> Path:
        """Its folder."""
        return self.run.directory

    @cached_property
    def formula(self) -> str:
        """Reduced formula."""
        return str(self.run.structure.composition.reduced_formula)

    @cached_property
    def atoms(self) -> bytes:
        """Cell and atoms at the end, as a key: copies of a calculation are compared with others once."""
        structure = self.run.structure
        places: bytes = structure.lattice.matrix.tobytes() + structure.frac_coords.tobytes()
        return places + repr(structure.species).encode()

    @cached_property
    def checksums(self) -> dict[str, str]:
        """SHA-256 of the uncompressed contents of its identifying files."""
        found = {name: find_file(self.directory, name) for name in IDENTIFYING}
        return {name: _sha256(path) for name, path in found.items() if path is not None}


@dataclass(frozen=True)
class Refusal:
    """What could not be used, and why.

    Parameters
    ----------
    directories
        The folders concerned: one, or those of a pair that does not fit together.
    reason
        One sentence.
    """

    directories: tuple[Path, ...]
    reason: str


def find_calculations(
    roots: Iterable[Path], on_folder: Callable[[Path], None] = lambda folder: None
) -> tuple[list[FinishedCalculation], list[Refusal]]:
    """Look through folders, and all below, for calculations.

    Parameters
    ----------
    roots
        Where to look.
    on_folder
        Called with each folder in which VASP has run, before it is read.

    Returns
    -------
    calculations, refusals
        What can be used, and what cannot with the reason, in the order of the folders.
    """
    found: list[FinishedCalculation] = []
    refusals: list[Refusal] = []

    def hidden(error: OSError) -> None:
        reason = f"cannot be looked into ({error.strerror or error})"
        refusals.append(Refusal((Path(error.filename or "."),), reason))

    for folder in _folders(roots, hidden):
        on_folder(folder)
        try:
            found.append(classify(folder))
        except SurfalignError as error:
            refusals.append(Refusal((folder,), error.found))
        # Files that somebody else made may break parsers in any way; the other folders must not suffer.
        except Exception as error:  # noqa: BLE001
            reason = f"cannot be read ({type(error).__name__}: {error})"
            refusals.append(Refusal((folder,), reason))
    return found, refusals


def classify(folder: Path) -> FinishedCalculation:
    """Tell what the calculation in a folder contributes.

    Raises
    ------
    EngineError
        When it is broken off, not converged, or of no use here.
    MetallicError
        When its gap closes.
    """
    run = Calculation(folder)
    _require_ground_state(run)
    run.require_converged()
    if run.relaxing and not run.ionically_converged:
        raise EngineError(
            f"the relaxation ended after {len(run.vasprun.ionic_steps)} steps without converging"
        )
    kind = _slab_kind(run) if is_slab(run.structure) else _bulk_kind(run)
    if kind not in (Kind.DIELECTRIC, Kind.BANDS):
        run.band_edges()
    if kind is not Kind.BANDS:
        _ = run.energy, run.forces  # refused here, where the folder is named
    return FinishedCalculation(run, kind)


def _require_ground_state(run: Calculation) -> None:
    """Refuse by name what is no calculation of the ground state."""
    for tag, what in _OTHER_RUNS.items():
        if run.tag(tag, False) not in (False, 0, 0.0):
            raise EngineError(f"{tag}: {what}")
    algorithm = str(run.tag("ALGO", "Normal")).upper()
    if any(word in algorithm for word in _OTHER_ALGORITHMS):
        raise EngineError(
            f"ALGO = {algorithm}: many-body perturbation theory, which no step here is"
        )


def _bulk_kind(run: Calculation) -> Kind:
    if max(empty_heights(run.structure)) > LEAST_VACUUM:
        raise EngineError(
            "the cell is empty along a or b: a slab with another normal than c, or a molecule"
        )
    if run.parameters.get("LEPSILON", False):
        return Kind.DIELECTRIC
    if int(run.parameters.get("IBRION", -1)) in (0, 5, 6, 7, 8):
        raise EngineError("molecular dynamics or phonons, which no step of the alignment is")
    if run.hybrid:
        if run.one_shot and wave_functions_unfit(run.stdout):
            raise EngineError(
                "a one-shot hybrid that found no WAVECAR that fits: its orbitals are random"
            )
        return Kind.HYBRID
    return Kind.BANDS if run.fixed_density else Kind.BULK


def _slab_kind(run: Calculation) -> Kind:
    if run.fixed_density:
        raise EngineError(
            "a slab at fixed density: whether that density was converged is not known"
        )
    if find_file(run.directory, "LOCPOT") is not None:
        run.potential()
        return Kind.SLAB_POTENTIAL
    if run.relaxing:
        return Kind.SLAB_RELAXATION
    raise EngineKilledError("a slab without LOCPOT: repeat this static calculation with LVHAR")


def _folders(roots: Iterable[Path], on_problem: Callable[[OSError], None]) -> Iterator[Path]:
    """Yield each folder in which VASP has run, or was to, once, sorted; links are followed, in circles once."""
    seen: set[Path] = set()
    for root in roots:
        for name, children, files in os.walk(root, followlinks=True, onerror=on_problem):
            folder = Path(name).resolve()
            if folder in seen:
                children.clear()
                continue
            seen.add(folder)
            children.sort()
            signs = _SIGNS if children else (*_SIGNS, *_TRACES)
            empty = not children and not files
            if empty or any(find_file(folder, sign) or (folder / sign).exists() for sign in signs):
                yield folder


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with zopen(path, mode="rb") as file:
        while block := file.read(1 << 20):
            digest.update(block if isinstance(block, bytes) else block.encode())
    return digest.hexdigest()
