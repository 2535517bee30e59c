"""The calculations of the band edges: found with PBEsol, computed with the hybrid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pymatgen.core import Structure
from pymatgen.electronic_structure.core import Spin
from pymatgen.io.vasp import Kpoints

from surfalign.errors import EngineKilledError, MetallicError
from surfalign.workflows.engines.functionals import HYBRIDS, Hybrid, exchange_fraction
from surfalign.workflows.engines.vasp.cost import default_bands
from surfalign.workflows.engines.vasp.inputs import kpoints, tags
from surfalign.workflows.engines.vasp.inputs.sets import plain
from surfalign.workflows.engines.vasp.inputs.settings import VaspSettings
from surfalign.workflows.engines.vasp.outputs.bands import band_edges, filled_bands
from surfalign.workflows.engines.vasp.outputs.vasprun import read_vasprun
from surfalign.workflows.engines.vasp.running.handlers import Task
from surfalign.workflows.engines.vasp.running.runner import Runner
from surfalign.workflows.engines.vasp.steps import planned

#: What is taken for the edges of a crystal of which nothing has been computed yet (dry runs).
_GAMMA: list[kpoints.Point] = [(0.0, 0.0, 0.0)]


@dataclass(frozen=True)
class EdgeFolders:
    """Where the band edges were computed.

    Parameters
    ----------
    semilocal
        PBEsol at the mesh and the band edges.
    search
        PBEsol on a dense mesh, at the same density.
    hybrid, self_consistent
        The hybrid, where it was asked for.
    """

    semilocal: Path
    search: Path
    hybrid: Path | None
    self_consistent: Path | None


@dataclass(frozen=True)
class BandEdgesStep:
    """The calculations of one crystal's band edges.

    PBEsol on the mesh of the exchange gives the density; PBEsol at that density on a dense mesh says
    where the edges are; PBEsol on the mesh and, with weight zero, at the edges gives the wave functions
    that the hybrid is evaluated on.

    Parameters
    ----------
    run
        What runs the calculations.
    settings
        Numerical settings.
    structure
        The bulk crystal.
    """

    run: Runner
    settings: VaspSettings
    structure: Structure

    @property
    def spinors(self) -> bool:
        """Whether spin-orbit coupling is included."""
        return self.settings.couples_spin_orbit({s.specie.symbol for s in self.structure})

    def compute(self, functional: str, dielectric_constant: float | None) -> EdgeFolders:
        """Run the calculations; return their folders.

        Parameters
        ----------
        functional
            ``ddh``, ``hse06``, ``pbe0`` or ``pbesol``.
        dielectric_constant
            Sets the exchange fraction of ``ddh``.

        Raises
        ------
        MetallicError
            When the gap closes.
        """
        fraction = exchange_fraction(functional, dielectric_constant)
        hybrid = HYBRIDS[functional]
        mesh = kpoints.exchange_mesh(self.structure, self.settings.hybrid_k_spacing)
        density = self._calculate("static", "static", tags.band_density, mesh, leaves=("CHGCAR",))
        points, search = self._points(mesh, density)
        edges = self._edges(points, density)
        if hybrid is None:
            return EdgeFolders(edges, search, None, None)
        try:
            one_shot = self._hybrid("one_shot", edges, points, hybrid, fraction)
        except EngineKilledError as error:  # wave functions that cannot be read are made anew, once
            for name in ("one_shot", "edges"):
                self.run.again(name, error.found)
            edges = self._edges(points, density)
            one_shot = self._hybrid("one_shot", edges, points, hybrid, fraction)
        final = None
        if self.settings.self_consistent:
            final = self._hybrid("self_consistent", edges, points, hybrid, fraction)
        return EdgeFolders(edges, search, one_shot, final)

    def _points(self, mesh: Kpoints, density: Path) -> tuple[Kpoints, Path]:
        """The mesh, and the k-points of the edges with weight zero; where these were found."""
        dense = kpoints.even_mesh(self.structure, self.settings.band_k_spacing)
        bands = self._calculate(
            "bands", "static", tags.band_search, dense, CHGCAR=density / "CHGCAR"
        )
        found = self.run.look(lambda: edge_points(bands, self.settings), _GAMMA)
        cell = plain(self.structure).get_sorted_structure()
        return kpoints.with_zero_weights(cell, mesh, found), bands

    def _edges(self, points: Kpoints, density: Path) -> Path:
        return self._calculate(
            "edges",
            "listed",
            tags.band_edges,
            points,
            leaves=("WAVECAR", "LOCPOT"),
            CHGCAR=density / "CHGCAR",
        )

    def _hybrid(
        self, name: str, edges: Path, points: Kpoints, hybrid: Hybrid, fraction: float
    ) -> Path:
        n_bands = self.run.look(
            lambda: int(read_vasprun(edges / "vasprun.xml").parameters["NBANDS"]),
            default_bands(self.structure, spinors=self.spinors),
        )
        task: Task = "one_shot" if name == "one_shot" else "hybrid"
        make = tags.one_shot if name == "one_shot" else tags.self_consistent

        def with_exchange(settings: VaspSettings, structure: Structure) -> tags.Tags:
            return make(
                settings,
                structure,
                exchange_fraction=fraction,
                screening=hybrid.screening,
                n_bands=n_bands,
            )

        return self._calculate(name, task, with_exchange, points, WAVECAR=edges / "WAVECAR")

    def _calculate(
        self,
        name: str,
        task: Task,
        make: Callable[[VaspSettings, Structure], tags.Tags],
        points: Kpoints,
        leaves: tuple[str, ...] = (),
        **files: Path,
    ) -> Path:
        inputs = make(self.settings, self.structure)
        if self.spinors:
            inputs = tags.with_spin_orbit(inputs, self.structure)
        return self.run.run(
            planned(name, task, self.settings, self.structure, inputs, points, leaves, **files)
        )


def edge_points(folder: Path, settings: VaspSettings) -> list[kpoints.Point]:
    """Return the k-points of a calculation that has ended where its bands come near the extrema.

    Parameters
    ----------
    folder
        A PBEsol calculation on a dense mesh.
    settings
        How near, and how many.

    Raises
    ------
    MetallicError
        When the gap closes.
    """
    vasprun = read_vasprun(folder / "vasprun.xml")
    try:
        filled = filled_bands(vasprun)
        band_edges(vasprun, filled)
    except MetallicError as error:
        raise MetallicError(
            f"with PBEsol, {error.found}",
            "an insulator",
            "use hubbard_u where d states cross, or leave this crystal out",
        ) from error
    return kpoints.edge_points(
        np.asarray((vasprun.eigenvalues or {})[Spin.up])[:, :, 0],
        vasprun.actual_kpoints,
        filled[0],
        settings.edge_window,
        settings.most_edge_points,
    )
