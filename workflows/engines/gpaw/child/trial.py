"""The smallest step that two processes can share, for ``surfalign doctor`` (child side).

One k-point of MgO; two where GPAW lacks ScaLAPACK, for no calculation then divides one.
"""

from __future__ import annotations

import json
from dataclasses import replace

from surfalign.workflows.engines.gpaw.settings import QUICK

#: As rough as goes: whether it ends matters, not the number.
_SETTINGS = replace(
    QUICK,
    quality="trial",
    cutoff=150.0,
    energy_tolerance=0.1,
    density_tolerance=0.01,
    eigenstates_tolerance=0.01,
)
_MGO = {
    "numbers": [12, 8],
    "positions": [[0.0, 0.0, 0.0], [2.105, 2.105, 2.105]],
    "cell": [[0.0, 2.105, 2.105], [2.105, 0.0, 2.105], [2.105, 2.105, 0.0]],
}


def main() -> None:
    """Compute, and print as JSON how many processes did and what GPAW was built with."""
    from gpaw.fftw import have_fftw
    from gpaw.mpi import world

    from surfalign.workflows.engines.gpaw.child.ground_state import can_divide_points
    from surfalign.workflows.engines.gpaw.child.tasks import Tasks

    divides = can_divide_points()
    Tasks(lambda text: None).evaluate(
        atoms=_MGO,
        settings=_SETTINGS.numerical(),
        kpts={"size": [1 if divides else 2, 1, 1], "gamma": True},
        memory_limit=float("inf"),
        forces=False,
    )
    if world.rank == 0:
        built_with = {"fftw": have_fftw(), "scalapack": divides}
        print(json.dumps({"processes": world.size} | built_with))


if __name__ == "__main__":
    main()
