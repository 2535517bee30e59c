"""Time learnable SOAP against dscribe and torch-spex, on one core.

    python benchmarks/lsoap.py [--device cpu|cuda] [--repeats 5] [--json OUT]

Twenty slabs of two species each, drawn from sets of 2 to 60 elements; r_cut 6 A, n_max 8, l_max 6,
sigma 0.5 A. What is timed:

coefficients   our density coefficients, all atoms, from positions (neighbour list included)
dscribe        dscribe's spectrum of the same slabs for all elements of the set, dense
step           one training step (forward and backward) on cached coefficients, K = 4
torch-spex     the same step on torch-spex's learnable-species power spectrum (neighbour list given)

The head is the same everywhere: a dense layer from the spectrum to 64 units, SiLU, one output.
torch-spex is not a dependency: pip install torch-spex.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import nn

from surfalign.ml.configuration import (
    Contraction,
    DescriptorConfiguration,
    SpectrumConfiguration,
)
from surfalign.ml.descriptors.density import density_coefficients
from surfalign.ml.descriptors.lsoap import LearnableSoap

DESCRIPTOR = DescriptorConfiguration(r_cut=6.0, n_max=8, l_max=6, sigma=0.5)
N_SLABS, LAYERS, REPEATS_IN_PLANE = 20, 7, 2
SPECIES_COUNTS = (2, 5, 20, 60)
K = 4
CHUNK = 128
Slab = tuple[np.ndarray, np.ndarray, np.ndarray]


def slabs(n_elements: int) -> list[Slab]:
    """Rough rocksalt slabs of 56 atoms; each holds two of the elements."""
    generator = np.random.default_rng(7)
    found = []
    for number in range(N_SLABS):
        constant = generator.uniform(4.2, 5.5)
        side, spacing = REPEATS_IN_PLANE * constant / np.sqrt(2.0), constant / 2.0
        grid = np.stack(
            np.meshgrid(range(2), range(2), range(LAYERS), range(2), indexing="ij"), axis=-1
        ).reshape(-1, 4)
        shift = 0.5 * ((grid[:, 2] + grid[:, 3]) % 2)
        positions = np.stack(
            [
                (grid[:, 0] + shift) * side / REPEATS_IN_PLANE,
                (grid[:, 1] + shift) * side / REPEATS_IN_PLANE,
                grid[:, 2] * spacing,
            ],
            axis=1,
        )
        positions += generator.normal(scale=0.05, size=positions.shape)
        pair = np.array([3 + (2 * number) % n_elements, 3 + (2 * number + 1) % n_elements])
        cell = np.diag([side, side, LAYERS * spacing + 15.0])
        found.append((pair[grid[:, 3]], positions, cell))
    return found


def best_time(call: Callable[[], object], repeats: int, device: str = "cpu") -> float:
    """Return the shortest of several runs, in seconds; the first run only warms up.

    On one core the processor's own time is taken, which other programs do not lengthen.
    """
    clock = time.process_time if device == "cpu" else time.perf_counter
    times = []
    for _ in range(repeats + 1):
        start = clock()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(clock() - start)
    return min(times[1:])


def time_coefficients(data: list[Slab], repeats: int) -> float:
    def run() -> None:
        for numbers, positions, cell in data:
            density_coefficients(numbers, positions, cell, (True, True, False), DESCRIPTOR)

    return best_time(run, repeats)


def time_dscribe(data: list[Slab], n_elements: int, repeats: int) -> float:
    """Time dscribe; with many elements a few slabs are enough, and all that fits in memory."""
    from ase import Atoms
    from dscribe.descriptors import SOAP

    chosen = data if n_elements <= 20 else data[:2]
    soap = SOAP(
        species=list(range(3, 3 + n_elements)),
        r_cut=DESCRIPTOR.r_cut,
        n_max=DESCRIPTOR.n_max,
        l_max=DESCRIPTOR.l_max,
        sigma=DESCRIPTOR.sigma,
        periodic=True,
    )
    atoms = [Atoms(n, positions=p, cell=c, pbc=(True, True, False)) for n, p, c in chosen]

    def run() -> None:
        for one in atoms:
            soap.create(one)

    return best_time(run, min(repeats, 3)) * len(data) / len(chosen)


def head(n_features: int) -> nn.Module:
    return nn.Sequential(nn.Linear(n_features, 64), nn.SiLU(), nn.Linear(64, 1))


def time_step(data: list[Slab], contraction: Contraction, repeats: int, device: str) -> float:
    """Time one step over all atoms, in chunks, from coefficients in memory."""
    torch.manual_seed(0)
    soap = LearnableSoap(
        DESCRIPTOR, SpectrumConfiguration(n_channels=K, contraction=contraction)
    ).to(device)
    network = head(soap.n_features).to(device)
    coefficients, species = [], []
    for numbers, positions, cell in data:
        density = density_coefficients(numbers, positions, cell, (True, True, False), DESCRIPTOR)
        coefficients.append(torch.as_tensor(density.coefficients, dtype=torch.float32))
        species.append(torch.as_tensor(density.species).expand(len(numbers), -1))
    chunk = CHUNK if device == "cpu" else 4096
    chunks = [
        (c.contiguous(), s.contiguous())
        for c, s in zip(
            torch.cat(coefficients).to(device).split(chunk),
            torch.cat(species).to(device).split(chunk),
            strict=True,
        )
    ]
    soap.standardise([(c, s, torch.ones(len(c), device=device)) for c, s in chunks])

    def run() -> None:
        soap.zero_grad()
        network.zero_grad()
        for c, s in chunks:
            network(soap(c, s)).sum().backward()

    return best_time(run, repeats, device)


def time_torch_spex(data: list[Slab], repeats: int, device: str) -> float | None:
    """Time the same step with torch-spex; None where it is not installed."""
    try:
        from spex import SphericalExpansion
    except ImportError:
        return None
    from vesin import NeighborList

    torch.manual_seed(0)
    expansion = SphericalExpansion(
        DESCRIPTOR.r_cut,
        max_angular=DESCRIPTOR.l_max,
        radial={"LaplacianEigenstates": {"max_radial": DESCRIPTOR.n_max - 1, "trim": False}},
        species={"Alchemical": {"pseudo_species": K}},
    ).to(device)
    sizes = [m * n * c for m, n, c in expansion.shape]
    n_features = sum((n * c) ** 2 for _, n, c in expansion.shape)
    assert len(sizes) == DESCRIPTOR.l_max + 1
    network = head(n_features).to(device)
    graphs = []
    for numbers, positions, cell in data:
        i, j, vectors = NeighborList(cutoff=DESCRIPTOR.r_cut, full_list=True).compute(
            points=positions, box=cell, periodic=[True, True, False], quantities="ijD"
        )
        graphs.append(
            (
                torch.as_tensor(vectors, dtype=torch.float32, device=device),
                torch.as_tensor(i.astype(np.int64), device=device),
                torch.as_tensor(j.astype(np.int64), device=device),
                torch.as_tensor(numbers, device=device),
            )
        )

    def run() -> None:
        expansion.zero_grad()
        network.zero_grad()
        for vectors, i, j, numbers in graphs:
            blocks = []
            for block in expansion(vectors, i, j, numbers):
                flat = block.flatten(2)
                blocks.append(torch.bmm(flat.transpose(1, 2), flat).flatten(1))
            network(torch.cat(blocks, dim=1)).sum().backward()

    return best_time(run, repeats, device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    rows: dict[str, dict[int, float | None]] = {
        name: {} for name in ("coefficients", "dscribe", *(f"step {c}" for c in Contraction))
    }
    for n_elements in SPECIES_COUNTS:
        data = slabs(n_elements)
        n_atoms = sum(len(numbers) for numbers, _, _ in data)
        unit = 1e6 / n_atoms
        rows["coefficients"][n_elements] = unit * time_coefficients(data, arguments.repeats)
        rows["dscribe"][n_elements] = unit * time_dscribe(data, n_elements, arguments.repeats)
        for contraction in Contraction:
            rows[f"step {contraction}"][n_elements] = unit * time_step(
                data, contraction, arguments.repeats, arguments.device
            )
    spex = time_torch_spex(slabs(5), arguments.repeats, arguments.device)
    rows["step torch-spex"] = {5: None if spex is None else unit * spex}
    print(f"us per atom, {n_atoms} atoms, device {arguments.device}; elements in the data set:")
    print(f"{'':20s}" + "".join(f"{n:>10d}" for n in SPECIES_COUNTS))
    for name, row in rows.items():
        cells = [row.get(n) for n in SPECIES_COUNTS]
        print(f"{name:20s}" + "".join(f"{'-' if c is None else f'{c:.1f}':>10s}" for c in cells))
    report_ratios(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


def report_ratios(rows: dict[str, dict[int, float | None]]) -> None:
    """Print the ratios that the timings are made for."""
    ours, theirs = rows["coefficients"], rows["dscribe"]
    for n in (5, 60):
        print(f"coefficients against dscribe, {n} elements: {theirs[n] / ours[n]:.1f} times faster")
    spex = rows["step torch-spex"][5]
    for contraction in Contraction:
        row = rows[f"step {contraction}"]
        spread = max(row.values()) / min(row.values()) - 1.0
        line = f"step {contraction}: {100 * spread:.0f} % between 2 and 60 elements"
        if spex is not None:
            line += f", {spex / row[5]:.1f} times faster than torch-spex"
        print(line)
    if spex is None:
        print("torch-spex is not installed: pip install torch-spex")


if __name__ == "__main__":
    main()
