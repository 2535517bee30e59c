"""Exact exchange with any fraction: one-shot eigenvalues, and self-consistency by compression.

GPAW 26.7 has no public option for a hybrid with its own exchange fraction in the new code, nor for a
compressed exchange operator. This module is the only one that uses GPAW's private interfaces for them,
and refuses other releases by name (child side).

A hybrid that is evaluated once on the semilocal density misses the relaxation of the density, which
is more ionic with exact exchange. That is small for s-like conduction bands (MgO 0.06 eV) and large
for d-like ones (CaO 0.4, SrTiO3 0.7 eV). The adaptively compressed exchange operator (Lin,
doi 10.1021/acs.jctc.6b00092) makes self-consistency cheap: the exact operator is applied once to all
bands and replaced by the projector of lowest rank that acts identically on them,

    V_ACE = W M^-1 W^H,   W = V_x psi,   M = psi^H W,

an ordinary self-consistent cycle runs with it, and both are repeated until the edges stand still.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from ase.units import Ha
from numpy.typing import NDArray

from surfalign.errors import ConvergenceError, EngineError, MissingDependencyError
from surfalign.workflows.engines.functionals import Hybrid

Floats = NDArray[np.float64]

#: The release whose private interfaces this module knows.
SUPPORTED_RELEASE = "26.7"
#: HSE06's range separation, 1/bohr, in GPAW's and libxc's convention.
HSE06_SCREENING = 0.11


@dataclass(frozen=True)
class LibxcHybrid:
    """A hybrid functional as GPAW computes it.

    Parameters
    ----------
    semilocal
        libxc name of its semilocal part.
    fraction
        Fraction of exact exchange.
    screening
        Range separation, 1/bohr; 0 for a global hybrid.
    """

    semilocal: str
    fraction: float
    screening: float = 0.0


def to_libxc(hybrid: Hybrid, fraction: float) -> LibxcHybrid:
    """Write a hybrid with its fraction of exact exchange in libxc's names.

    A global one has PBE0's form: (1 - fraction) PBE exchange, PBE correlation, the rest exact. The one
    screened hybrid is HSE06, whose range separation libxc fixes itself.
    """
    if hybrid.screening:
        return LibxcHybrid("HYB_GGA_XC_HSE06", fraction, HSE06_SCREENING)
    return LibxcHybrid(f"{1.0 - fraction:.6f}_GGA_X_PBE+1.0_GGA_C_PBE", fraction)


def require_supported_release(version: str | None = None) -> None:
    """Check that this GPAW is the release whose private interfaces are known here.

    Parameters
    ----------
    version
        Release to judge; None for the installed one.

    Raises
    ------
    MissingDependencyError
        When it is another one.
    """
    if version is None:
        import gpaw

        version = str(gpaw.__version__)
    if version.split(".")[:2] != SUPPORTED_RELEASE.split("."):
        raise MissingDependencyError(
            f"GPAW {version} is installed",
            f"GPAW {SUPPORTED_RELEASE}, whose exact-exchange interfaces surfalign was tested with",
            f"pip install 'gpaw=={SUPPORTED_RELEASE}.*'",
        )


class OneShot:
    """A hybrid on the density and orbitals of a converged semilocal calculation.

    Parameters
    ----------
    calculator
        Converged semilocal calculation on a Gamma-centred mesh.
    hybrid
        The functional.
    """

    def __init__(self, calculator: Any, hybrid: LibxcHybrid) -> None:
        require_supported_release()
        from gpaw.new.pw.hybrids import truncated_coulomb
        from gpaw.new.pw.nschse import NonSelfConsistentHybridXCCalculator, nsc_corrections

        dft = calculator.dft
        # Exact exchange alone is a functional that the class knows; its semilocal part is exchanged
        # and its own contributions are scaled to the fraction wanted.
        operator = NonSelfConsistentHybridXCCalculator.from_dft_calculation(dft, "EXX", log=None)
        _, operator.dhyb_sR, _, semilocal = nsc_corrections(
            dft.density, dft.pot_calc, hybrid.semilocal
        )
        for atom, exact in operator.dhyb_asii.items():
            exact *= hybrid.fraction
            exact += semilocal[atom]
        operator.exx_fraction = hybrid.fraction
        operator.coulomb = truncated_coulomb(
            operator.grid.cell_cv, dft.ibzwfs.ibz.bz, hybrid.screening, False
        )
        self._ibzwfs = dft.ibzwfs
        self._operator = operator

    def eigenvalues(self, k_index: int, first: int, last: int) -> Floats:
        """Return the diagonal elements of the hybrid's Hamiltonian at one k-point, eV.

        Parameters
        ----------
        k_index
            The irreducible k-point.
        first, last
            First band, and one past the last.

        Returns
        -------
        ndarray
            Shape (last - first,), on the scale of the calculator's own eigenvalues.
        """
        _, eigenvalues = self._operator.calculate(self._ibzwfs, first, last, ibz_indices=[k_index])
        return np.asarray(eigenvalues[0, 0], dtype=float)


@dataclass(frozen=True)
class SelfConsistency:
    """Band edges of a hybrid before and after self-consistency, on one mesh.

    Parameters
    ----------
    one_shot_valence, one_shot_conduction
        VBM and CBM on the semilocal density, eV.
    valence, conduction
        VBM and CBM at self-consistency, eV, against the average electrostatic potential.
    remaining_change
        Change of the gap that further operators would bring, eV: the last change, continued
        geometrically.
    n_operators
        Exchange operators built.
    """

    one_shot_valence: float
    one_shot_conduction: float
    valence: float
    conduction: float
    remaining_change: float
    n_operators: int

    @property
    def gap_correction(self) -> float:
        """Gap at self-consistency minus gap of the one-shot hybrid, eV."""
        one_shot = self.one_shot_conduction - self.one_shot_valence
        return self.conduction - self.valence - one_shot


def self_consistent_edges(
    calculator: Any,
    hybrid: LibxcHybrid,
    n_occupied: int,
    *,
    tolerance: float = 0.01,
    max_operators: int = 6,
    max_iterations: int = 60,
    report: Callable[[str], None] = lambda _: None,
) -> SelfConsistency:
    """Bring a converged semilocal calculation to self-consistency with a hybrid, in place.

    Total energies of the calculator mean nothing afterwards; its density, potential and eigenvalues do.

    Parameters
    ----------
    calculator
        Converged PBEsol calculation with complex wave functions (more than the Gamma point).
    hybrid
        The functional.
    n_occupied
        Occupied bands.
    tolerance
        Largest change of the gap that further exchange operators may still bring, eV.
    max_operators, max_iterations
        Limits of the outer cycle, and of each inner one.
    report
        Shows progress.

    Raises
    ------
    ConvergenceError
        When either cycle does not converge.
    """
    require_supported_release()
    from gpaw import KohnShamConvergenceError

    dft = calculator.dft
    if not np.issubdtype(dft.ibzwfs.dtype, np.complexfloating):
        raise EngineError(
            "the exchange operator was asked for real wave functions",
            "a mesh of more k-points than Gamma",
            "sample the cell by a denser mesh",
        )
    _change_functional(dft, hybrid)
    exchange = CompressedExchange(dft)
    exchange.build()
    gaps = [_gap(*(one_shot := _edges(_diagonal(dft), n_occupied)))]
    for n_operators in range(1, max_operators + 1):
        try:
            dft.converge(maxiter=max_iterations)
        except KohnShamConvergenceError as error:
            raise _not_converged(f"{max_iterations} iterations with one operator") from error
        eigenvalues, _ = dft.ibzwfs.get_all_eigs_and_occs(broadcast=True)
        edges = _edges(np.asarray(eigenvalues[0]) * Ha, n_occupied)
        gaps.append(_gap(*edges))
        report(f"exchange operator {n_operators}: gap {gaps[-1]:.3f} eV")
        remaining = remaining_change(gaps)
        if remaining < tolerance:
            return SelfConsistency(*one_shot, *edges, remaining, n_operators)
        exchange.build()
    raise _not_converged(f"{max_operators} operators leave a change of {remaining:.3f} eV")


def remaining_change(values: list[float]) -> float:
    """Return how far a converging series still is from its limit, by its last two steps.

    Parameters
    ----------
    values
        The series; fewer than three values say nothing.

    Returns
    -------
    float
        Magnitude of the geometric remainder; infinite for a series that does not contract.
    """
    if len(values) < 3:
        return float("inf")
    last, before = abs(values[-1] - values[-2]), abs(values[-2] - values[-3])
    if last == 0.0:
        return 0.0
    return last * last / (before - last) if last < before else float("inf")


class CompressedExchange:
    """The exchange operator of a hybrid, compressed on the present wave functions.

    Takes the place of the exact operator in the Hamiltonian of ``dft`` from its construction on.

    Parameters
    ----------
    dft
        GPAW's calculation, whose functional is a hybrid already.
    """

    def __init__(self, dft: Any) -> None:
        self._dft = dft
        self._hamiltonian = dft.scf_loop.hamiltonian
        self._apply_exact = self._hamiltonian.apply_orbital_dependent
        self._update_exact = self._hamiltonian.update_wave_functions
        self._projectors: dict[tuple[float, ...], NDArray[np.complex128]] = {}
        self._hamiltonian.apply_orbital_dependent = self._apply
        self._hamiltonian.update_wave_functions = lambda ibzwfs, forces=False: self._no_energy()
        self._no_energy()

    def build(self) -> None:
        """Apply the exact operator once to all bands, and compress it."""
        ibzwfs = self._dft.ibzwfs
        self._update_exact(ibzwfs)
        for wfs in ibzwfs.zero_padded_iter():
            exchange = wfs.psit_nX.new()
            exchange.data[:] = 0.0
            self._apply_exact(
                ibzwfs, self._dft.density.D_asii, wfs.psit_nX, wfs.spin, exchange, False
            )
            overlaps = _overlaps(wfs.psit_nX, exchange.data)
            values, vectors = np.linalg.eigh(0.5 * (overlaps + overlaps.conj().T))
            if values.max() >= 0.0:
                raise _not_converged("an exchange operator that is not negative definite")
            projectors = (vectors / np.sqrt(-values)).T @ exchange.data
            self._projectors[_key(wfs.psit_nX, wfs.spin)] = projectors
        self._no_energy()

    def _apply(
        self,
        ibzwfs: Any,
        density_matrices: Any,
        psit: Any,
        spin: int,
        out: Any = None,
        calculate_energy: bool = False,
        forces: Any = None,
    ) -> None:
        """Add the operator's action on ``psit`` to ``out``: GPAW's apply_orbital_dependent."""
        if out is None:
            return
        projectors = self._projectors[_key(psit, spin)]
        out.data -= _overlaps(psit, projectors).T @ projectors

    def _no_energy(self) -> None:
        """Exchange energies are not kept: GPAW wants numbers."""
        hamiltonian = self._hamiltonian
        hamiltonian.devc = hamiltonian.devv = hamiltonian.evv = hamiltonian.dekin = 0.0


def _overlaps(psit: Any, others: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return <other_m|psit_n> summed over the plane waves of all processes, shape (m, n)."""
    overlaps: NDArray[np.complex128] = others.conj() @ psit.data.T * psit.desc.dv
    psit.desc.comm.sum(overlaps)
    return overlaps


def _key(psit: Any, spin: int) -> tuple[float, ...]:
    return (float(spin), *np.round(psit.desc.kpt_c, 6))


def _change_functional(dft: Any, hybrid: LibxcHybrid) -> None:
    """Exchange the functional, keeping the PBEsol datasets, and bring the potential up to date."""
    from gpaw.dft import XC
    from gpaw.hybrids import HybridXC

    setup_name = dft.pot_calc.xc.get_setup_name()

    class HybridOnDatasets(HybridXC):  # type: ignore[misc]  # gpaw has no types
        def get_setup_name(self) -> str:
            return str(setup_name)

    class HybridParameter(XC):  # type: ignore[misc]  # gpaw has no types
        def functional(self, **_: Any) -> Any:
            return HybridOnDatasets(hybrid.semilocal, hybrid.fraction, hybrid.screening, False)

    dft.change(xc=HybridParameter(hybrid.semilocal, fraction=hybrid.fraction))
    dft.potential, dft.energies, _ = dft.pot_calc.calculate(dft.density, dft.ibzwfs)


def _diagonal(dft: Any) -> Floats:
    """Return the diagonal elements of the Hamiltonian at the present density, eV, (n_k, n_bands)."""
    ibzwfs, hamiltonian, potential = dft.ibzwfs, dft.scf_loop.hamiltonian, dft.potential
    energies = np.zeros((len(ibzwfs.ibz), ibzwfs.nbands))
    apply = partial(
        hamiltonian.apply, potential.vt_sR, potential.dedtaut_sR, ibzwfs, dft.density.D_asii
    )
    for wfs in ibzwfs:
        matrix = wfs.build_hamiltonian(
            apply, partial(potential.deltaH, spin=wfs.spin), wfs.psit_nX.new()
        ).gather(broadcast=True)
        energies[wfs.k] = np.diag(matrix.data).real * Ha
    ibzwfs.kpt_comm.sum(energies)
    ibzwfs.domain_comm.broadcast(energies, 0)  # the matrix is complete on the first rank only
    return energies


def _edges(energies: Floats, n_occupied: int) -> tuple[float, float]:
    return float(energies[:, n_occupied - 1].max()), float(energies[:, n_occupied].min())


def _gap(valence: float, conduction: float) -> float:
    return conduction - valence


def _not_converged(found: str) -> ConvergenceError:
    return ConvergenceError(
        f"the self-consistent hybrid did not converge: {found}",
        "band edges that stand still",
        "switch self_consistent_exchange off, or check that the crystal is an insulator",
    )
