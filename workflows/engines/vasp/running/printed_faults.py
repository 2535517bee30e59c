"""Faults that VASP prints: custodian's handler of them, where it is wrong for slabs, bands and hybrids."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from custodian.custodian import Validator
from custodian.vasp.handlers import VaspErrorHandler
from pymatgen.io.vasp import Incar

from surfalign.workflows.engines.vasp.outputs.phrases import wave_functions_read
from surfalign.workflows.engines.vasp.running.run_state import (
    apply_actions,
    ended,
    head_of,
    last_geometry,
)


class GeneralErrorHandler(VaspErrorHandler):
    """Custodian's handler of what VASP prints, for runs that keep no density.

    Some of its corrections delete CHGCAR and WAVECAR, and trip where there is none, or delete the density
    that bands are computed of; that of EDDDAV
    trips where the run ended before it printed its number of electrons. A matrix of a subspace that is not
    hermitian is a warning: its cures, LREAL = F and PREC = A, are set from the start, and direct optimisers
    are worse for slabs, so whether the run converges decides.
    """

    def check(self, directory: str = "./") -> bool:
        """Return whether VASP printed a fault that can be met."""
        super().check(directory)
        incar = Incar.from_file(Path(directory) / "INCAR")
        if incar.get("LREAL", False) is False and str(incar.get("PREC")).startswith("A"):
            self.errors.discard("subspacematrix")
        return bool(self.errors)

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Correct the fault."""
        if self.errors == {"edddav"}:
            actions: list[dict[str, Any]] = last_geometry(directory)
            actions.append({"dict": "INCAR", "action": {"_set": {"ALGO": "All", "ISEARCH": 1}}})
            return apply_actions(["edddav"], actions, directory)
        density = Path(directory) / "CHGCAR"
        incar = Incar.from_file(Path(directory) / "INCAR")
        kept = density.with_name("CHGCAR.kept")
        if int(incar.get("ICHARG", 0)) >= 10 and density.exists():
            density.rename(kept)  # the run is of this density, so no correction may delete it
        absent = [
            path for name in ("CHGCAR", "WAVECAR") if not (path := Path(directory) / name).exists()
        ]
        for path in absent:
            path.touch()
        try:
            correction: dict[str, Any] = super().correct(directory)
        finally:
            for path in absent:
                path.unlink(missing_ok=True)
            if kept.exists():
                kept.rename(density)
                of_density = {"file": "CHGCAR", "action": {"_file_delete": {"mode": "actual"}}}
                actions = correction.get("actions") or []
                correction["actions"] = [a for a in actions if a != of_density] or None
        return correction


class ListedErrorHandler(GeneralErrorHandler):
    """Never switches symmetry off where the k-points are a list of irreducible ones.

    The density would then be that of a part of the zone. The step tries something else instead.
    """

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Correct the fault, or give up where the base class switches symmetry off."""
        correction: dict[str, Any] = super().correct(directory)
        changes = [a["action"].get("_set", {}) for a in correction["actions"] or ()]
        if any(change.get("ISYM", 1) <= 0 for change in changes):
            return {"errors": correction["errors"], "actions": None}
        return correction


class WaveFunctionsReadValidator(Validator):
    """Refuses a hybrid on fixed orbitals that did not read its orbitals.

    VASP starts from random ones where the file does not fit, and ends without an error.
    """

    def check(self, directory: str = "./") -> bool:
        """Return whether the orbitals are not those of the file."""
        return not wave_functions_read(head_of(Path(directory) / "vasp.out"))


class OneShotErrorHandler(VaspErrorHandler):
    """Names the faults of a one-shot hybrid, and mends what needs no touch of its wave functions.

    The base class deletes a WAVECAR that cannot be read: the shot would then be fired at random
    orbitals. Here that fault is left to the step, which makes the wave functions anew. Whatever else ended
    the run would end it again, so it is given up by its name.
    """

    is_monitor = False  # what it prints of a run that goes on is a warning
    MENDED: ClassVar[frozenset[str]] = frozenset({"elf_kpar"})

    def __init__(self, output_filename: str = "vasp.out", **arguments: Any) -> None:
        known = [name for name in VaspErrorHandler.error_msgs if name != "coef"]
        super().__init__(output_filename, errors_subset_to_catch=known)

    def check(self, directory: str = "./") -> bool:
        """Return whether a known fault ended the run."""
        return not ended(Path(directory)) and bool(super().check(directory))

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Correct the fault, or give it up by its name."""
        if self.errors <= self.MENDED:
            correction: dict[str, Any] = super().correct(directory)
            return correction
        return {"errors": sorted(self.errors), "actions": None}
