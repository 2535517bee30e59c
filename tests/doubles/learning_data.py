"""Slabs with made-up labels that follow a rule, so that a learner can find it."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Element, Lattice, Structure

from surfalign.ml.data.datasets import FrozenDataset, freeze
from surfalign.ml.data.records import (
    Fidelity,
    Label,
    SetLabel,
    Statistic,
    SurfaceRecord,
    surface_record,
)

CATIONS = ("Mg", "Ca", "Sr", "Ba", "Zn", "Cd", "Be", "Ni", "Mn", "Sn", "Pb", "Ge", "Si", "Ti", "Zr")
ANIONS = ("O", "S", "Se", "Te")
TOY = Fidelity(functional="toy", method="made-up rule", origin="test")


def rocksalt_slab(cation: str, anion: str, n_layers: int = 4) -> Structure:
    """Return a (100) slab of rocksalt with a lattice parameter from the atomic radii."""
    a = 1.6 * float(Element(cation).atomic_radius + Element(anion).atomic_radius)
    height = 0.5 * a * (n_layers - 1) + 14.0
    lattice = Lattice.tetragonal(a / np.sqrt(2), height)
    species, positions = [], []
    for layer in range(n_layers):
        z = 0.5 * a * layer + 7.0
        flip = layer % 2
        for symbol, x in ((cation, 0.5 * flip), (anion, 0.5 - 0.5 * flip)):
            species.append(symbol)
            positions.append([x * lattice.a, x * lattice.a, z])
    return Structure(lattice, species, positions, coords_are_cartesian=True)


def rocksalt_crystal(cation: str, anion: str) -> Structure:
    """Return the primitive cell of the crystal that :func:`rocksalt_slab` is cut from."""
    a = 1.6 * float(Element(cation).atomic_radius + Element(anion).atomic_radius)
    lattice = Lattice([[0, a / 2, a / 2], [a / 2, 0, a / 2], [a / 2, a / 2, 0]])
    return Structure(lattice, [cation, anion], [[0, 0, 0], [0.5, 0.5, 0.5]])


def toy_stiffness(structure: Structure) -> float:
    """Return a positive number by a rule of composition and volume, GPa."""
    spread = float(np.ptp([site.specie.X for site in structure]))
    return float(1000.0 * np.exp(spread) / (structure.volume / len(structure)))


def crystal_entries(n_formulas: int = 40) -> list[dict[str, Any]]:
    """Return crystals with their stiffness as a JSON table holds them."""
    crystals = [rocksalt_crystal(c, a) for a in ANIONS for c in CATIONS][:n_formulas]
    return [
        {
            "name": one.composition.reduced_formula,
            "structure": one.as_dict(),
            "stiffness": toy_stiffness(one),
        }
        for one in crystals
    ]


def toy_levels(structure: Structure) -> dict[str, float]:
    """Return IP and EA by a rule of the composition, eV."""
    values = [site.specie for site in structure]
    mean = float(np.mean([element.X for element in values]))
    spread = float(np.ptp([element.X for element in values]))
    return {"ionization_potential": 1.5 * mean + spread + 1.0, "electron_affinity": mean}


def toy_record(cation: str, anion: str, noise: float = 0.0, n_layers: int = 4) -> SurfaceRecord:
    """Return a labelled record; the noise is a fixed function of the name."""
    structure = rocksalt_slab(cation, anion, n_layers)
    jitter = noise * np.sin(17.0 * sum(map(ord, cation + anion)) + n_layers)
    labels = [
        Label(name=name, value=value + float(jitter), unit="eV", fidelity=TOY.key)
        for name, value in toy_levels(structure).items()
    ]
    name = f"{cation}{anion}-{n_layers}"
    return surface_record(name, structure, f"test:{name}", labels=labels)


def toy_dataset(n_formulas: int = 60, noise: float = 0.0, name: str = "toy") -> FrozenDataset:
    """Return a data set of so many formulas, one slab each."""
    pairs = [(cation, anion) for anion in ANIONS for cation in CATIONS][:n_formulas]
    return freeze(name, [toy_record(c, a, noise) for c, a in pairs], fidelities=[TOY])


def toy_medians(n_formulas: int) -> FrozenDataset:
    """Return a data set without a label of a surface: the median of two slabs of each formula."""
    pairs = [(c, a) for a in ANIONS for c in CATIONS][:n_formulas]
    records = [
        replace(toy_record(c, a, 0.3, n_layers=n), labels=()) for c, a in pairs for n in (4, 6)
    ]
    sets = [
        SetLabel(
            name="ionization_potential", unit="eV", fidelity=TOY.key, weight=0.5,
            value=toy_record(c, a, 0.3).value("ionization_potential"),
            members=(f"{c}{a}-4", f"{c}{a}-6"), statistic=Statistic.MEDIAN,
            formula=toy_record(c, a).formula, source=f"table:{c}{a}",
        )
        for c, a in pairs
    ]  # fmt: skip
    return freeze("medians", records, set_labels=sets, fidelities=[TOY])


def toy_sets(n_formulas: int) -> FrozenDataset:
    """Return a data set whose labels are all those of sets, of one slab each."""
    bare = [replace(record, labels=()) for record in toy_dataset(n_formulas).records]
    sets = [
        SetLabel(
            name=name, value=value, unit="eV", fidelity=TOY.key, members=(record.name,),
            statistic=Statistic.MEDIAN, formula=record.formula, source="test:1",
        )
        for record in bare
        for name, value in toy_levels(record.structure).items()
    ]  # fmt: skip
    return freeze("weak", bare, set_labels=sets, fidelities=[TOY])


def slab_entries(dataset: FrozenDataset) -> list[dict[str, Any]]:
    """Return a data set as a file of slabs holds it."""
    return [
        {
            "name": record.name,
            "initial": record.structure.as_dict(),
            "ip_ev": record.value("ionization_potential"),
            "ea_ev": record.value("electron_affinity"),
            "slab_gap_ev": 1.0,
            "passes_filter": 1,
        }
        for record in dataset.records
    ]


def write_slab_file(entries: list[dict[str, Any]], path: Path) -> Path:
    """Write a file of slabs."""
    path.write_bytes(gzip.compress(json.dumps(entries).encode()))
    return path
