"""The OPTIMADE interface needs the packages of the extra ``web``."""

from __future__ import annotations

from importlib.util import find_spec

#: Without the optional packages there is nothing to test.
collect_ignore_glob = [] if find_spec("optimade") else ["test_*.py"]
