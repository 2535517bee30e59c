"""What GPAW is built with where MPI is missing."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

import surfalign.workflows.engines.gpaw as engine

SITECONFIG = Path(engine.__file__).parent / "siteconfig.py"
#: Libraries are looked up with ldconfig and the compiler.
pytestmark = pytest.mark.programs


def test_without_mpi_a_cpp_compiler_is_named_and_scalapack_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    found = runpy.run_path(str(SITECONFIG))
    assert (found["mpi"], found["compiler"], found["scalapack"]) == (False, "g++", False)
    assert not any("scalapack" in library for library in found["libraries"])


def test_with_mpi_the_build_chooses_its_own_compiler(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrapper = tmp_path / "mpic++"
    wrapper.write_text("#!/bin/sh\n")
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = runpy.run_path(str(SITECONFIG))
    assert "mpi" not in found
    assert "compiler" not in found
