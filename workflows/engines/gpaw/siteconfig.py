"""What GPAW is built with: set ``GPAW_CONFIG`` to this file when pip builds it.

Without such a file GPAW leaves out FFTW, which takes a quarter of the time off, and ScaLAPACK, without
which it cannot run more processes than a cell has irreducible k-points. What this machine lacks is left
out here too, and ``surfalign doctor`` tells of it.
"""

from __future__ import annotations

from ctypes.util import find_library

#: Debian has one ScaLAPACK for each MPI.
_scalapack = next(filter(find_library, ("scalapack-openmpi", "scalapack")), None)
_blas = next(filter(find_library, ("openblas", "blas")), "blas")

fftw = find_library("fftw3") is not None
scalapack = _scalapack is not None
libraries = ["xc", *(["fftw3"] if fftw else []), *([_scalapack] if _scalapack else []), _blas]
