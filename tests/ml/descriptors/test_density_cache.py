"""Environments on disk: computed once, whole or not at all, and never another structure's."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from model_contract import rocksalt_slab, rough_slab
from pymatgen.core import Lattice, Structure

from surfalign.errors import DamagedFileError, InvalidStructureError, SurfaceError
from surfalign.ml.configuration import DescriptorConfiguration
from surfalign.ml.descriptors import density_cache
from surfalign.ml.descriptors.density_cache import DensityCache, Pack, expansion_key
from surfalign.ml.descriptors.environments import Environments, atomic_environments

DESCRIPTOR = DescriptorConfiguration(r_cut=4.0, n_max=3, l_max=2)


def assert_equal(one: Environments, other: Environments) -> None:
    for field in fields(Environments):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def test_second_request_is_read_from_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = DensityCache(tmp_path)
    first = cache.environments(rough_slab(), DESCRIPTOR)

    def forbidden(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(density_cache, "atomic_environments", forbidden)
    second = cache.environments(rough_slab(), DESCRIPTOR)
    assert_equal(first, second)
    again = DensityCache(tmp_path).environments(rough_slab(), DESCRIPTOR)
    assert_equal(first, again)


def test_key_follows_structure_and_hyperparameters() -> None:
    slab, moved = rocksalt_slab(5), rocksalt_slab(5)
    moved.translate_sites([0], [0.0, 0.0, 1e-4])
    keys = {
        expansion_key(slab, DESCRIPTOR),
        expansion_key(moved, DESCRIPTOR),
        expansion_key(rocksalt_slab(5, "Ca"), DESCRIPTOR),
        expansion_key(slab, DescriptorConfiguration(r_cut=4.5, n_max=3, l_max=2)),
        expansion_key(slab, DescriptorConfiguration(r_cut=4.0, n_max=3, l_max=2, sigma=0.4)),
    }
    assert len(keys) == 5
    assert expansion_key(rocksalt_slab(5), DESCRIPTOR) == expansion_key(slab, DESCRIPTOR)


def test_truncated_file_is_named_and_healed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = DensityCache(tmp_path)
    slab = rough_slab()
    expected = cache.environments(slab, DESCRIPTOR)
    (path,) = tmp_path.rglob("*.safetensors")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DamagedFileError, match="holds no density coefficients"):
        Pack(path)
    with caplog.at_level(logging.WARNING):
        healed = DensityCache(tmp_path).environments(slab, DESCRIPTOR)
    assert "computed again" in caplog.text
    assert_equal(healed, expected)
    assert Pack(path).keys == [expansion_key(slab, DESCRIPTOR)]


def test_each_slab_is_read_from_the_pack_that_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(density_cache, "SLABS_PER_PACK", 2)
    slabs = [rocksalt_slab(n) for n in (3, 5, 7)] + [rough_slab()]
    DensityCache(tmp_path).prepare(slabs[1:], DESCRIPTOR)
    # One is new, one comes twice, and the order is another.
    wanted = [slabs[3], slabs[0], slabs[2], slabs[0], slabs[1]]
    found = DensityCache(tmp_path).prepare(wanted, DESCRIPTOR)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 3
    assert len(found) == 5
    for environments, slab in zip(found, wanted, strict=True):
        assert_equal(environments, atomic_environments(slab, DESCRIPTOR))
    assert_equal(found[1:][-1], found[4])


def test_a_pack_that_vanished_is_made_again(tmp_path: Path) -> None:
    cache = DensityCache(tmp_path)
    stored = cache.prepare([rough_slab()], DESCRIPTOR)
    (path,) = tmp_path.rglob("*.safetensors")
    path.unlink()
    with pytest.raises(DamagedFileError, match="holds no density coefficients"):
        stored[0]
    assert_equal(
        cache.environments(rough_slab(), DESCRIPTOR), atomic_environments(rough_slab(), DESCRIPTOR)
    )


def test_two_who_ask_at_once_expand_a_slab_once(tmp_path: Path) -> None:
    """The second waits for the first, then finds what it wrote."""
    slabs = [rocksalt_slab(n) for n in (3, 5, 7, 9)]
    with ThreadPoolExecutor(2) as pool:
        caches = [DensityCache(tmp_path) for _ in range(2)]
        found = list(pool.map(lambda cache: cache.prepare(slabs, DESCRIPTOR), caches))
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1
    for one, other in zip(*found, strict=True):
        assert_equal(one, other)


def test_parallel_preparation_reports_progress_and_keeps_order(tmp_path: Path) -> None:
    slabs = [rocksalt_slab(n) for n in (3, 5, 7, 9)]
    seen: list[tuple[int, int]] = []
    found = DensityCache(tmp_path).prepare(
        slabs, DESCRIPTOR, workers=2, progress=lambda done, total: seen.append((done, total))
    )
    assert [len(e.membership) for e in found] == [len(slab) for slab in slabs]
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert not list(tmp_path.rglob("*.part"))


def test_symmetric_atoms_are_merged_and_counted() -> None:
    slab = rocksalt_slab(7)
    environments = atomic_environments(slab, DESCRIPTOR)
    # Seven layers of one MgO: four distinct layers, two distinct atoms each.
    assert len(environments.centers) == 8
    assert sorted(environments.multiplicities) == [1, 1, 2, 2, 2, 2, 2, 2]
    assert environments.multiplicities.sum() == len(slab)
    larger = slab.copy()
    larger.make_supercell([3, 2, 1])
    merged = atomic_environments(larger, DESCRIPTOR)
    assert sorted(merged.multiplicities) == [6, 6, 12, 12, 12, 12, 12, 12]


def test_atoms_without_symmetry_stay_apart() -> None:
    slab = rough_slab()
    environments = atomic_environments(slab, DESCRIPTOR)
    np.testing.assert_array_equal(environments.membership, np.arange(len(slab)))


def test_depths_of_a_slab_cut_by_the_cell_boundary() -> None:
    slab = rocksalt_slab(5)
    slab.translate_sites(range(len(slab)), [0.0, 0.0, -0.1], to_unit_cell=True)
    depths = atomic_environments(slab, DESCRIPTOR).depths
    assert sorted({round(float(d), 3) for d in depths}) == [0.0, 2.105, 4.21]


def test_bulk_crystal_is_refused() -> None:
    bulk = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(4.21), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    with pytest.raises(SurfaceError, match="no vacuum"):
        atomic_environments(bulk, DESCRIPTOR)


def test_disordered_structure_is_refused() -> None:
    slab = rocksalt_slab(5)
    slab.replace_species({"Mg": {"Mg": 0.5, "Ca": 0.5}})
    with pytest.raises(InvalidStructureError, match="disordered"):
        atomic_environments(slab, DESCRIPTOR)
