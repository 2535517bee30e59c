"""The toy engine as the plug-in of another package, for commands in processes of their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def toy_plugin(folder: Path) -> str:
    """Make the package's metadata in a folder; return the PYTHONPATH by which it is found."""
    package = folder / "toy_engine-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-engine\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[surfalign.engines]\ntoy = toy_engine:make_engine\n")
    return os.pathsep.join([str(folder), str(Path(__file__).parent), *sys.path])
