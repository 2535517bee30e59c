"""Environments on disk, so that a structure is expanded once, and so that any number of slabs can be streamed.

Slabs that are expanded together share a file, a pack: one safetensors file with the coefficients of all their
atoms in a row. Coefficients stay on disk; those of a slab are read through a memory map when they are asked for.
Packs appear whole or not at all and never change, so any number of processes may share a directory. A slab is found
by the hash of its structure and of the hyperparameters, in whichever pack it is.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import overload

import numpy as np
from filelock import FileLock
from pymatgen.core import Structure
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from surfalign.errors import DamagedFileError
from surfalign.files import write_whole
from surfalign.ml.configuration import DescriptorConfiguration
from surfalign.ml.descriptors.environments import Environments, atomic_environments
from surfalign.processes import available_cores
from surfalign.settings import load_settings

logger = logging.getLogger(__name__)

EXPANSION_VERSION = 1
"""Raised when the same structure and hyperparameters give other coefficients."""

SLABS_PER_PACK = 256
"""A killed expansion of many slabs loses at most so many; 256 slabs of 60 atoms take 30 MB."""

#: Arrays of a pack that are read at once, and which of its counts is their length.
_SMALL = {"species": 1, "centers": 0, "multiplicities": 0, "depths": 0, "membership": 2}


def expansion_key(structure: Structure, descriptor: DescriptorConfiguration) -> str:
    """Return the hash of a structure as given (to 1e-8 A) and of the hyperparameters."""
    digest = hashlib.sha256(f"{EXPANSION_VERSION} {descriptor.model_dump_json()}".encode())
    digest.update(np.asarray(structure.atomic_numbers, dtype=np.int64).tobytes())
    for array in (structure.lattice.matrix, structure.cart_coords):
        # Adding zero turns -0.0 into 0.0.
        digest.update((np.round(array, 8) + 0.0).tobytes())
    return digest.hexdigest()


class Pack:
    """Environments of some slabs in one file; all but the coefficients are in memory.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    DamagedFileError
        If the file is truncated, or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with safe_open(path, "numpy") as file:
                self.keys = [row.tobytes().hex() for row in file.get_tensor("keys")]
                counts = file.get_tensor("counts")
                self._small = {name: file.get_tensor(name) for name in _SMALL}
                file.get_slice("coefficients")
        except (SafetensorError, OSError, ValueError) as error:
            raise _damaged(path, error) from error
        zero = np.zeros((1, counts.shape[1]), dtype=np.int64)
        self._starts = np.concatenate([zero, counts.cumsum(axis=0)])
        self._blocks = np.concatenate([[0], (counts[:, 0] * counts[:, 1]).cumsum()])

    @classmethod
    def write(cls, folder: Path, keys: Sequence[str], environments: Sequence[Environments]) -> Pack:
        """Write a file that appears whole or not at all, named by the hash of its keys."""
        counts = [(len(e.centers), len(e.species), len(e.membership)) for e in environments]
        blocks = [e.coefficients.reshape(-1, *e.coefficients.shape[2:]) for e in environments]
        tensors = {
            name: np.concatenate([getattr(e, name) for e in environments]) for name in _SMALL
        } | {
            "coefficients": np.concatenate(blocks),
            "counts": np.array(counts, dtype=np.int64),
            "keys": np.array([np.frombuffer(bytes.fromhex(key), np.uint8) for key in keys]),
        }
        path = folder / f"{hashlib.sha256(''.join(keys).encode()).hexdigest()}.safetensors"
        write_whole(path, save(tensors))
        return cls(path)

    def environments(self, index: int) -> Environments:
        """Read one slab.

        The file is opened for each read: pages of a map that stays open would count as memory of this process for
        as long as it runs.

        Raises
        ------
        DamagedFileError
            If the file is not there any more.
        """
        small = {
            name: self._small[name][slice(*self._starts[index : index + 2, column])]
            for name, column in _SMALL.items()
        }
        first, last = self._blocks[index : index + 2].tolist()
        try:
            with safe_open(self.path, "numpy") as file:
                blocks = file.get_slice("coefficients")[first:last]
        except (SafetensorError, OSError) as error:
            raise _damaged(self.path, error) from error
        shape = (len(small["centers"]), len(small["species"]), *blocks.shape[1:])
        return Environments(coefficients=blocks.reshape(shape), **small)


class StoredEnvironments(Sequence[Environments]):
    """Environments of slabs, each read from its pack when it is asked for.

    Parameters
    ----------
    places
        Pack of each slab, and its index there.
    """

    def __init__(self, places: Sequence[tuple[Pack, int]]) -> None:
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Environments: ...
    @overload
    def __getitem__(self, index: slice) -> StoredEnvironments: ...
    def __getitem__(self, index: int | slice) -> Environments | StoredEnvironments:
        """Read one slab, or choose some of them."""
        if isinstance(index, slice):
            return StoredEnvironments(self._places[index])
        pack, place = self._places[index]
        return pack.environments(place)


class DensityCache:
    """Environments of structures, kept in a directory.

    Parameters
    ----------
    directory
        Where the packs are; made when the first is written. None keeps nothing.
    """

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self._packs: dict[Path, Pack] = {}

    def environments(
        self, structure: Structure, descriptor: DescriptorConfiguration
    ) -> Environments:
        """Return the environments of a slab, from disk where they are."""
        return self.prepare([structure], descriptor)[0]

    def prepare(
        self,
        structures: Sequence[Structure],
        descriptor: DescriptorConfiguration,
        *,
        workers: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Sequence[Environments]:
        """Return the environments of many slabs; those that no pack holds are expanded in parallel.

        A damaged pack is reported in the log and made anew.

        Parameters
        ----------
        structures
            Slabs.
        descriptor
            Hyperparameters.
        workers
            Threads; the compiled parts run outside the interpreter's lock. None means all cores of
            the allocation.
        progress
            Called with (number done, number of all) after each slab that is expanded.
        """
        report = progress or (lambda done, total: None)
        if self.directory is None:
            return _expanded(structures, descriptor, workers, lambda k: report(k, len(structures)))
        folder = self.directory / _folder_name(descriptor)
        keys = [expansion_key(structure, descriptor) for structure in structures]
        places = self._places(folder)
        if not places.keys() >= set(keys):
            folder.mkdir(parents=True, exist_ok=True)
            # Who comes second finds what the first has expanded.
            with FileLock(folder / ".lock"):
                places = self._places(folder)
                first = {key: k for k, key in reversed([*enumerate(keys)]) if key not in places}
                missing = sorted(first.values())
                for start in range(0, len(missing), SLABS_PER_PACK):
                    part = missing[start : start + SLABS_PER_PACK]
                    found = _expanded(
                        [structures[k] for k in part],
                        descriptor,
                        workers,
                        lambda k, start=start: report(start + k, len(missing)),  # type: ignore[misc]
                    )
                    pack = Pack.write(folder, [keys[k] for k in part], found)
                    places |= {key: (pack, k) for k, key in enumerate(pack.keys)}
        return StoredEnvironments([places[key] for key in keys])

    def _places(self, folder: Path) -> dict[str, tuple[Pack, int]]:
        """Return where each slab of a folder is."""
        paths = set(folder.glob("*.safetensors"))
        self._packs = {path: pack for path, pack in self._packs.items() if path in paths}
        for path in sorted(paths - self._packs.keys()):
            try:
                self._packs[path] = Pack(path)
            except DamagedFileError as error:
                logger.warning("%s It is computed again.", error)
                path.unlink(missing_ok=True)
        return {key: (p, k) for p in self._packs.values() for k, key in enumerate(p.keys)}


@lru_cache(maxsize=4)
def _cache_in(directory: Path) -> DensityCache:
    return DensityCache(directory)


def default_cache() -> DensityCache:
    """Return the cache in the data directory of the settings in force."""
    return _cache_in(load_settings().data_directory / "densities")


def _folder_name(descriptor: DescriptorConfiguration) -> str:
    text = f"{EXPANSION_VERSION} {descriptor.model_dump_json()}"
    return f"packs-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _expanded(
    structures: Sequence[Structure],
    descriptor: DescriptorConfiguration,
    workers: int | None,
    progress: Callable[[int], None],
) -> list[Environments]:
    """Expand slabs in threads."""
    results = []
    with ThreadPoolExecutor(workers or available_cores(load_settings())) as pool:
        futures = [pool.submit(atomic_environments, s, descriptor) for s in structures]
        try:
            for done, future in enumerate(futures, start=1):
                results.append(future.result())
                progress(done)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return results


def _damaged(path: Path, error: Exception) -> DamagedFileError:
    return DamagedFileError(
        f"{path} holds no density coefficients ({error})",
        "a file written by surfalign",
        f"delete it; it will be computed again: rm {path}",
    )
