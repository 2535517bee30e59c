"""Environments on disk, so that a structure is expanded once and never again.

One safetensors file for each structure and set of hyperparameters; its name is a hash of both. Files
appear whole or not at all, so any number of processes may share a directory.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from pymatgen.core import Structure
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from surfalign.errors import DamagedFileError
from surfalign.files import write_whole
from surfalign.ml.configuration import DescriptorConfiguration
from surfalign.ml.descriptors.environments import Environments, atomic_environments
from surfalign.processes import available_cores
from surfalign.settings import load_settings

logger = logging.getLogger(__name__)

EXPANSION_VERSION = 1
"""Raised when the same structure and hyperparameters give other coefficients."""

FIELDS = ("species", "coefficients", "centers", "multiplicities", "depths", "membership")


def expansion_key(structure: Structure, descriptor: DescriptorConfiguration) -> str:
    """Return the hash of a structure as given (to 1e-8 A) and of the hyperparameters."""
    digest = hashlib.sha256(f"{EXPANSION_VERSION} {descriptor.model_dump_json()}".encode())
    digest.update(np.asarray(structure.atomic_numbers, dtype=np.int64).tobytes())
    for array in (structure.lattice.matrix, structure.cart_coords):
        # Adding zero turns -0.0 into 0.0.
        digest.update((np.round(array, 8) + 0.0).tobytes())
    return digest.hexdigest()


class DensityCache:
    """Environments of structures, kept in a directory.

    Parameters
    ----------
    directory
        Where the files are; made when the first is written. None keeps nothing.
    """

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory

    def path(self, structure: Structure, descriptor: DescriptorConfiguration) -> Path | None:
        """Return the file of a structure, present or not."""
        if self.directory is None:
            return None
        key = expansion_key(structure, descriptor)
        return self.directory / key[:2] / f"{key}.safetensors"

    def environments(
        self, structure: Structure, descriptor: DescriptorConfiguration
    ) -> Environments:
        """Return the environments of a slab, from disk where they are.

        A damaged file is reported in the log and made anew.
        """
        path = self.path(structure, descriptor)
        if path is not None and path.exists():
            try:
                return read_environments(path)
            except DamagedFileError as error:
                logger.warning("%s It is computed again.", error)
        environments = atomic_environments(structure, descriptor)
        if path is not None:
            write_environments(path, environments)
        return environments

    def prepare(
        self,
        structures: Sequence[Structure],
        descriptor: DescriptorConfiguration,
        *,
        workers: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Environments]:
        """Return the environments of many slabs, expanded in parallel.

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
            Called with (number done, number of all) after each slab.
        """
        results = []
        with ThreadPoolExecutor(workers or available_cores(load_settings())) as pool:
            futures = [pool.submit(self.environments, s, descriptor) for s in structures]
            try:
                for done, future in enumerate(futures, start=1):
                    results.append(future.result())
                    if progress is not None:
                        progress(done, len(structures))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return results


def write_environments(path: Path, environments: Environments) -> None:
    """Write a file that appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: np.ascontiguousarray(getattr(environments, name)) for name in FIELDS}
    write_whole(path, save(tensors))


def read_environments(path: Path) -> Environments:
    """Read a file.

    Raises
    ------
    DamagedFileError
        If the file is truncated, or holds something else.
    """
    try:
        tensors = load_file(path)
        return Environments(**{name: tensors[name] for name in FIELDS})
    except (SafetensorError, KeyError, OSError, ValueError) as error:
        raise DamagedFileError(
            f"{path} holds no density coefficients ({error})",
            "a file written by surfalign",
            f"delete it; it will be computed again: rm {path}",
        ) from error
