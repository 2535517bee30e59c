"""Questions to spglib, answered with None where it finds nothing, whichever release is asked."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import spglib

#: Until version 2.8 spglib returned None for what it now raises, and one environment variable, which ASE
#: sets for its own calls, decides in between.
_ERRORS: tuple[type[Exception], ...] = tuple(
    error for error in [getattr(getattr(spglib, "error", None), "SpglibError", None)] if error
)


def ask_spglib(search: Callable[..., Any], cell: tuple[Any, Any, Any], symprec: float) -> Any:
    """Return what a search of spglib finds in a cell, or None.

    Parameters
    ----------
    search
        ``spglib.get_symmetry`` or ``spglib.get_symmetry_dataset``.
    cell
        Lattice vectors as rows (angstrom), fractional coordinates, atomic numbers.
    symprec
        Tolerance, angstrom.
    """
    with warnings.catch_warnings():
        # spglib 2.7 and later warn about their change from returning None to raising.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return search(cell, symprec=symprec)
        except _ERRORS:
            return None
