"""Modules that have moved, under the names by which databases and queues know them.

Job documents, stored outputs, FireWorks' tasks and the settings of clusters name classes and functions by
their modules. What waits in a queue while surfalign is upgraded must still run, and what is stored must
still be read: an import of a name below gives the module that took its place. monty's own redirects
know classes only; jobs name functions, and FireWorks does not ask monty.

An entry may go when no store and no queue from before its move is in use any more.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec

# Each process of every job imports this: typing and importlib.abc would take five times as long as it.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

#: Earlier name of a module, or of a package with all that it held, to its present name.
MOVED: dict[str, str] = {
    "surfalign.launchers.firetasks": "surfalign.launchers.cluster.fireworks.task",
    "surfalign.workflows.engines.gpaw.presets": "surfalign.workflows.engines.gpaw.settings",
    "surfalign.workflows.engines.resources": "surfalign.workflows.engines.step_resources",
    "surfalign.workflows.engines.vasp.settings": "surfalign.workflows.engines.vasp.inputs.settings",
    "surfalign.workflows.jobs": "surfalign.workflows.surface_jobs",
}


class MovedModules:
    """Finds the modules of :data:`MOVED`; it comes before the others, which see the old packages."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a specification for an earlier name, else None."""
        if present_name(name) is None:
            return None
        return ModuleSpec(name, self)  # type: ignore[arg-type]  # its methods are all that is asked for

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Let Python make a module for the moment."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Put the present module in its place: classes must not exist twice."""
        present = present_name(module.__name__)
        assert present is not None
        sys.modules[module.__name__] = import_module(present)


def present_name(name: str) -> str | None:
    """Return the present name of a module that has moved, or None."""
    package, rest = name, ""
    while package:
        if package in MOVED:
            return MOVED[package] + rest
        package, dot, last = package.rpartition(".")
        rest = f"{dot}{last}{rest}"
    return None


def install() -> None:
    """Let imports of earlier names find the present modules."""
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        sys.meta_path.insert(0, MovedModules())
