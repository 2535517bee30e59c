"""Every INCAR tag of every calculation, each with its one-line reason.

Pure functions of settings and structure. What is not here is VASP's default: the sets write no tag
without a reason, and inherit none from the base sets of atomate2 and pymatgen.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pymatgen.core import Structure

from surfalign.errors import ConfigurationError
from surfalign.workflows.engines.vasp.inputs.hubbard import hubbard_u
from surfalign.workflows.engines.vasp.inputs.potentials import hardest
from surfalign.workflows.engines.vasp.inputs.settings import VaspSettings


class Tag(NamedTuple):
    """The value of an INCAR tag and why it is so."""

    value: Any
    reason: str


Tags = dict[str, Tag]

_ONE_SHOT = {
    "Eigenval": "one shot: expectation values of fixed orbitals, nothing is rotated",
    "Subrot": "one shot: the hybrid is diagonalised once, among the PBEsol orbitals",
}


def semilocal(settings: VaspSettings, structure: Structure) -> Tags:
    """Tags of a PBEsol calculation at rest: what all others start from.

    Raises
    ------
    ConfigurationError
        When the cut-off is below what a potential needs.
    """
    hard = hardest(structure)
    if settings.cutoff < hard.enmax:
        raise ConfigurationError(
            f"the cut-off is {settings.cutoff:g} eV, and {hard.symbol} needs {hard.enmax:g} eV (ENMAX)",
            "a cut-off of at least the largest ENMAX of the crystal",
            "raise cutoff, or take a preset",
        )
    tags = {
        "GGA": Tag("PS", "PBEsol in every step but the hybrid: geometry, density and potential"),
        "PREC": Tag("Accurate", "no wrap-around errors in the potential that is averaged"),
        "ENCUT": Tag(
            settings.cutoff, "above every ENMAX of the potentials; one basis in all steps"
        ),
        "LREAL": Tag(False, "exact projectors: slab and oriented bulk are subtracted"),
        "LASPH": Tag(True, "gradient terms inside the spheres count for d shells and lone pairs"),
        "ALGO": Tag("Normal", "blocked Davidson: robust for insulators and long cells"),
        "NELM": Tag(100, "the default of 60 stops slabs that converge slowly"),
        "NELMIN": Tag(5, "no early stop: forces and potential need a settled density"),
        "EDIFF": Tag(settings.energy_tolerance, "levels are read to the meV"),
        "ISPIN": Tag(1, "closed shells: crystals with open d or f shells are refused beforehand"),
        "ISMEAR": Tag(0, "tetrahedra fail below 4 k-points and with zero-weight points"),
        "SIGMA": Tag(settings.smearing, "Gaussian far below the gap: occupations are integers"),
        "NSW": Tag(0, "ions at rest"),
        "LWAVE": Tag(False, "nobody reads the wave functions of this step"),
        "LCHARG": Tag(False, "nobody reads the density of this step"),
    }
    if settings.dispersion == "d3bj":
        tags["IVDW"] = Tag(12, "option dispersion: D3 with Becke-Johnson damping, for layers")
    return tags | _mixing(structure) | (hubbard_u_tags(structure) if settings.hubbard_u else {})


def _mixing(structure: Structure) -> Tags:
    """Angular momenta of the mixed density, where a shell needs more than the default."""
    elements = [site.specie for site in structure]
    if any(element.is_lanthanoid or element.is_actinoid for element in elements):
        return {"LMAXMIX": Tag(6, "f shells in the spheres: the density restarts as it was")}
    if any(element.Z > 20 for element in elements):
        return {"LMAXMIX": Tag(4, "d shells in the spheres: the density restarts as it was")}
    return {}


def hubbard_u_tags(structure: Structure) -> Tags:
    """U on the semilocal functional, in the order of the POSCAR's elements."""
    elements = list(dict.fromkeys(s.specie.symbol for s in structure.get_sorted_structure()))
    found = {element: hubbard_u(element) for element in elements}
    if not any(found.values()):
        return {}
    return {
        "LDAU": Tag(True, "option hubbard_u: U on d and f shells"),
        "LDAUTYPE": Tag(2, "Dudarev: only U - J enters"),
        "LDAUL": Tag([u.shell if (u := found[e]) else -1 for e in elements], "shell of each U"),
        "LDAUU": Tag([u.value if (u := found[e]) else 0.0 for e in elements], "U, eV"),
        "LDAUJ": Tag([0.0] * len(elements), "taken into U"),
    }


def bulk_relaxation(settings: VaspSettings, structure: Structure) -> Tags:
    """Tags of the relaxation of cell and ions."""
    return semilocal(settings, structure) | {
        "IBRION": Tag(2, "conjugate gradients: cell and ions move together"),
        "ISIF": Tag(3, "the protocol's bulk is the PBEsol crystal: ions, shape and volume"),
        "NSW": Tag(settings.max_relaxation_steps, "more is a bad start, and is reported"),
        "EDIFFG": Tag(-settings.bulk_force_tolerance, "forces, not energies: the gap feels bonds"),
    }


def bulk_static(settings: VaspSettings, structure: Structure) -> Tags:
    """Tags of the energy of a bulk cell."""
    return semilocal(settings, structure)


def band_density(settings: VaspSettings, structure: Structure) -> Tags:
    """Tags of the density from which the bands are made."""
    return semilocal(settings, structure) | {
        "LCHARG": Tag(True, "the next two calculations start from this density"),
    }


def band_search(settings: VaspSettings, structure: Structure) -> Tags:
    """Tags of the semilocal bands on a dense mesh, at fixed density."""
    return semilocal(settings, structure) | {
        "ICHARG": Tag(11, "fixed density: only the bands are new"),
        "ISTART": Tag(0, "no wave functions exist for these k-points"),
    }


def band_edges(settings: VaspSettings, structure: Structure) -> Tags:
    """Tags of the semilocal wave functions at the mesh and at the band edges."""
    return semilocal(settings, structure) | {
        "ICHARG": Tag(1, "starts from the density, and settles it on this k-point list"),
        "LWAVE": Tag(True, "the one-shot hybrid is evaluated on these wave functions"),
        "LVHAR": Tag(True, "ionic + Hartree potential: <V> is the zero of the band edges"),
    }


def one_shot(
    settings: VaspSettings,
    structure: Structure,
    *,
    exchange_fraction: float,
    screening: float,
    n_bands: int,
) -> Tags:
    """Tags of the hybrid's eigenvalues on the semilocal wave functions.

    Parameters
    ----------
    settings, structure
        As everywhere.
    exchange_fraction
        Fraction of exact exchange.
    screening
        Range separation, 1/angstrom; 0 for a global hybrid.
    n_bands
        Bands of the wave functions that are read.
    """
    tags = semilocal(settings, structure)
    tags |= _hybrid(exchange_fraction, screening, n_bands)
    tags |= {
        "ALGO": Tag(settings.one_shot, _ONE_SHOT[settings.one_shot]),
        "NELM": Tag(1, "one shot: there is no cycle"),
        "ISTART": Tag(1, "reads the PBEsol wave functions"),
        "ICHARG": Tag(0, "density of those wave functions: it stays the PBEsol one"),
    }
    return _without_corrections(tags, "NELMIN")


def self_consistent(
    settings: VaspSettings,
    structure: Structure,
    *,
    exchange_fraction: float,
    screening: float,
    n_bands: int,
) -> Tags:
    """Tags of the self-consistent hybrid; parameters as for :func:`one_shot`."""
    tags = semilocal(settings, structure) | _hybrid(exchange_fraction, screening, n_bands)
    tags |= {
        "ALGO": Tag("Normal", "VASP 6: adaptively compressed exchange, the fastest for gaps"),
        "ISTART": Tag(1, "starts from the PBEsol wave functions"),
        "ICHARG": Tag(0, "density of those wave functions, then self-consistent"),
        "LWAVE": Tag(True, "hours of work: continued from here after the wall time"),
    }
    return _without_corrections(tags)


def _without_corrections(tags: Tags, *others: str) -> Tags:
    """Leave out what belongs to the semilocal functional: U, and dispersion, which moves no level."""
    left_out = ("IVDW", *others)
    return {n: tag for n, tag in tags.items() if not n.startswith("LDAU") and n not in left_out}


def _hybrid(exchange_fraction: float, screening: float, n_bands: int) -> Tags:
    tags = {
        "LHFCALC": Tag(True, "exact exchange"),
        "AEXX": Tag(exchange_fraction, "DDH: 1 / eps_inf, two digits; HSE06 and PBE0: 1/4"),
        "GGA": Tag("PE", "PBE0 form: the rest of the exchange, and correlation, are PBE's"),
        "PRECFOCK": Tag("Normal", "Fast moves band edges by some 10 meV"),
        "ISYM": Tag(3, "default for hybrids: the density is built from symmetrised orbitals"),
        "NBANDS": Tag(n_bands, "as in the WAVECAR, which must fit band by band"),
    }
    if screening:
        tags["HFSCREEN"] = Tag(screening, "HSE06: omega = 0.11 / bohr, doi 10.1063/1.2404663")
    else:
        tags["HFRCUT"] = Tag(-1, "truncated kernel: zero-weight points never meet its pole")
    return tags


def dielectric(settings: VaspSettings, structure: Structure) -> Tags:
    """Tags of the electronic dielectric tensor by linear response."""
    return semilocal(settings, structure) | {
        "LEPSILON": Tag(True, "density-functional perturbation theory: local fields included"),
        "IBRION": Tag(-1, "clamped ions: eps_inf needs no phonons (8 would compute them)"),
        "LRPA": Tag(False, "local fields of the exchange-correlation potential too"),
        "EDIFF": Tag(min(settings.energy_tolerance, 1e-7), "derivatives need tighter orbitals"),
    }


def slab_relaxation(
    settings: VaspSettings, structure: Structure, dipole_centre: float | None
) -> Tags:
    """Tags of the relaxation of a slab's ions.

    Parameters
    ----------
    settings, structure
        As everywhere.
    dipole_centre
        Fractional height of an asymmetric slab's centre; None for slabs with equivalent faces.
    """
    return (
        semilocal(settings, structure)
        | {
            "IBRION": Tag(2, "conjugate gradients: two faces relax alike"),
            "ISIF": Tag(2, "the slab keeps the bulk's in-plane cell; the vacuum its height"),
            "NSW": Tag(settings.max_relaxation_steps, "more is a bad start, and is reported"),
            "EDIFFG": Tag(-settings.force_tolerance, "moves the potential step by below 10 meV"),
            "LWAVE": Tag(True, "continued from here after the wall time"),
        }
        | _slab(dipole_centre)
    )


def slab_potential(
    settings: VaspSettings, structure: Structure, dipole_centre: float | None
) -> Tags:
    """Tags of a slab's electrostatic potential; parameters as for :func:`slab_relaxation`."""
    return (
        semilocal(settings, structure)
        | {
            "LVHAR": Tag(True, "ionic + Hartree only: LVTOT adds exchange, which never decays"),
        }
        | _slab(dipole_centre)
    )


def _slab(dipole_centre: float | None) -> Tags:
    tags = {"AMIN": Tag(0.01, "long cells slosh: the smallest wave vectors are mixed gently")}
    if dipole_centre is not None:
        tags |= {
            "LDIPOL": Tag(True, "faces differ: the artificial field across the vacuum is removed"),
            "IDIPOL": Tag(3, "dipole along c, the normal"),
            "DIPOL": Tag([0.5, 0.5, round(dipole_centre, 6)], "the slab's centre of mass"),
        }
    return tags


def with_spin_orbit(tags: Tags, structure: Structure) -> Tags:
    """Return the tags of a calculation with spin-orbit coupling."""
    return {name: tag for name, tag in tags.items() if name != "ISPIN"} | {
        "LSORBIT": Tag(True, "spin-orbit coupling (vasp_ncl)"),
        "MAGMOM": Tag([[0.0, 0.0, 0.0]] * len(structure), "no moments: the default starts with 1"),
        "GGA_COMPAT": Tag(False, "gradients keep the lattice's symmetry with spinors"),
    }
