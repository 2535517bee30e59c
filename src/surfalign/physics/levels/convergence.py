"""How far an ionization potential may be from the converged one, part by part."""

from __future__ import annotations

import math
from collections.abc import Mapping

#: Of the change that the release of a held centre brings to first order, this share is left when the
#: planes farther in have answered too; so much is added, and so much it may be wrong. Measured on MgO, CaO,
#: SrO and BaO(100) of 10 to 21 angstrom: the level alternates with the number of free planes.
CENTRE_SHARE = 0.5


def combined_error(parts: Mapping[str, float]) -> float:
    """Return the error of a sum whose parts err independently: the root of the sum of squares, eV.

    Parameters
    ----------
    parts
        Name to error, eV; the signs do not matter.
    """
    return math.hypot(*parts.values())
