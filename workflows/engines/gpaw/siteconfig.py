"""What GPAW is built with: set ``GPAW_CONFIG`` to this file when pip builds it.

Without such a file GPAW leaves out FFTW, which takes a quarter of the time off, and ScaLAPACK, without
which it cannot run more processes than a cell has irreducible k-points. What this machine lacks is left
out here too, and ``surfalign doctor`` tells of it.
"""

from __future__ import annotations

from ctypes.util import find_library
from os import environ
from shutil import which

_parallel = which("mpic++") is not None
if not _parallel:
    # GPAW would take Python's C compiler for what it compiles as C++
    # (findings/gpaw-without-mpi-does-not-build.sh).
    mpi, compiler = False, environ.get("CXX", "g++")

#: Debian has one ScaLAPACK for each MPI.
_scalapacks = ("scalapack-openmpi", "scalapack") if _parallel else ()
_scalapack = next(filter(find_library, _scalapacks), None)
_blas = next(filter(find_library, ("openblas", "blas")), "blas")

fftw = find_library("fftw3") is not None
scalapack = _scalapack is not None
libraries = ["xc", *(["fftw3"] if fftw else []), *([_scalapack] if _scalapack else []), _blas]
