"""Dispersion in the PBEsol steps: what it adds, what says so, and what is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.units import Bohr, Hartree
from jobflow import Job, JobStore
from maggma.stores import MemoryStore
from pymatgen.core import Lattice, Structure

from surfalign.errors import ConfigurationError, MissingDependencyError
from surfalign.hashing import hash_of
from surfalign.workflows.engines.engine import get_engine
from surfalign.workflows.engines.gpaw.calculator import ParallelGPAW
from surfalign.workflows.engines.gpaw.dispersion import d3_correction
from surfalign.workflows.engines.gpaw.makers import (
    GpawBandEdgesMaker,
    GpawBulkMaker,
    GpawSlabPotentialMaker,
    GpawSlabRelaxMaker,
    plain_copy,
)
from surfalign.workflows.engines.gpaw.settings import QUICK
from surfalign.workflows.engines.relaxation.relaxation import RelaxationSettings

#: Coarser than any preset: these tests are about differences.
PLAIN = replace(QUICK, quality="custom", cutoff=350.0, k_spacing=0.9, hybrid_k_spacing=1.2)
D3 = replace(PLAIN, dispersion="d3bj")


def boron_nitride(c: float = 6.66) -> Structure:
    """Return two layers of hexagonal BN, boron above nitrogen."""
    third, half = 1 / 3, 0.5
    places = [[third, 2 * third, 0.25], [2 * third, third, 0.25]]
    turned = [[2 * third, third, 0.25 + half], [third, 2 * third, 0.25 + half]]
    return Structure(Lattice.hexagonal(2.504, c), ["B", "N", "B", "N"], places + turned)


def compute(job: Job) -> Any:
    store = JobStore(MemoryStore())
    store.connect()
    return job.run(store=store).output


def test_the_correction_is_that_of_the_published_parameters() -> None:
    interface = pytest.importorskip("dftd3.interface")
    atoms = plain_copy(boron_nitride())
    energy, forces = d3_correction(atoms)
    model = interface.DispersionModel(
        atoms.numbers, atoms.positions / Bohr, atoms.cell.array / Bohr, np.ones(3, dtype=bool)
    )
    # S. Grimme's parameters of PBEsol, as VASP's manual lists them; no triples.
    published = interface.RationalDampingParam(s8=2.9491, s9=0.0, a1=0.4466, a2=6.1742)
    expected = model.get_dispersion(published, grad=False)["energy"] * Hartree
    assert energy == pytest.approx(expected, rel=1e-6)
    assert np.abs(forces).max() < 1e-6, "the layers lie on mirror planes"


def test_forces_are_the_slope_of_the_energy() -> None:
    pytest.importorskip("dftd3")
    atoms = plain_copy(boron_nitride())
    atoms.positions[0] += (0.1, 0.05, 0.2)
    step, ends = 1e-3, []
    for sign in (1, -1):
        moved: Atoms = atoms.copy()
        moved.positions[0, 2] += sign * step
        ends.append(d3_correction(moved)[0])
    slope = -(ends[0] - ends[1]) / (2 * step)
    assert d3_correction(atoms)[1][0, 2] == pytest.approx(slope, rel=1e-3)


@pytest.mark.dft
def test_energies_and_forces_differ_by_the_correction() -> None:
    pytest.importorskip("dftd3")
    crystal = boron_nitride(7.5)
    crystal.translate_sites([0, 1], [0.0, 0.0, 0.1])  # a layer nearer to one neighbour
    atoms = plain_copy(crystal)
    answers = []
    for settings in (PLAIN, D3):
        with ParallelGPAW(settings, "bulk") as calculator:
            answers.append(calculator.evaluate(atoms))
    energy, forces = d3_correction(atoms)
    assert energy < -0.1
    assert np.abs(forces).max() > 3e-3
    assert answers[1]["energy"] - answers[0]["energy"] == pytest.approx(energy, abs=1e-4)
    found = np.array(answers[1]["forces"]) - np.array(answers[0]["forces"])
    np.testing.assert_allclose(found, forces, atol=2e-4)


@pytest.mark.dft
def test_the_record_of_a_step_names_the_correction() -> None:
    pytest.importorskip("dftd3")
    record = compute(GpawBulkMaker(settings=D3, relax=False).make(boron_nitride())).calculation
    assert record.xc == "PBEsol +D3BJ"
    assert record.settings["dispersion"] == "d3bj"
    assert "dftd3" in record.code_versions
    without = {name: value for name, value in record.settings.items() if name != "dispersion"}
    assert record.settings_hash != hash_of(without)


@pytest.mark.dft
def test_slabs_and_band_edges_include_and_name_it() -> None:
    pytest.importorskip("dftd3")
    slab = boron_nitride(22.0)
    slab = Structure(
        slab.lattice, slab.species, slab.frac_coords * [1, 1, 0.3] + [0, 0, 0.35]
    )  # layers 3.3 A apart
    still = RelaxationSettings(max_evaluations=1)
    plain, with_d3 = (
        compute(GpawSlabRelaxMaker(settings=settings, relaxation=still).make(slab))
        for settings in (PLAIN, D3)
    )
    energy, _ = d3_correction(plain_copy(slab))
    assert with_d3.energy - plain.energy == pytest.approx(energy, abs=1e-3)
    assert with_d3.calculation.xc == "PBEsol +D3BJ"
    # The surface energy takes the energy beside the potential, of relaxed and of unrelaxed slabs.
    assert with_d3.potential.energy == with_d3.energy
    unrelaxed = compute(GpawSlabPotentialMaker(settings=D3).make(slab))
    assert unrelaxed.energy == pytest.approx(with_d3.energy, abs=1e-3)
    edges = compute(GpawBandEdgesMaker(settings=D3, functional="pbesol").make(boron_nitride()))
    assert edges.functional == edges.semilocal_functional == "pbesol+d3bj"
    assert edges.calculation.settings["dispersion"] == "d3bj"


def test_only_what_is_asked_for_enters_the_settings() -> None:
    pytest.importorskip("dftd3")
    with_d3 = get_engine("gpaw", quality="quick", dispersion="d3bj")
    for maker in (with_d3.bulk_maker, with_d3.oriented_bulk_maker, with_d3.slab_relax_maker):
        assert maker.settings.dispersion == "d3bj"
    plain = get_engine("gpaw", quality="quick").bulk_maker.settings
    assert hash_of(plain.numerical()) == hash_of(QUICK.numerical())
    assert "dispersion" not in plain.as_dict()


def test_unknown_corrections_and_an_absent_library_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigurationError, match=r"dispersion is 'd2'.*off, d3bj"):
        get_engine("gpaw", dispersion="d2")
    monkeypatch.setitem(sys.modules, "dftd3", None)
    monkeypatch.setitem(sys.modules, "dftd3.interface", None)
    with pytest.raises(MissingDependencyError, match=r"surfalign\[dispersion\]"):
        get_engine("gpaw", dispersion="d3bj")
