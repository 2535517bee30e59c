"""Parts that other packages add: engines, launchers and learners, named by their entry points.

Nothing of such a package is imported before one of its parts is used, so a broken one harms nobody
else. How to write one: docs/extending.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from inspect import signature
from typing import Any

from surfalign.errors import ConfigurationError, PluginError


@dataclass(frozen=True)
class PluginGroup:
    """Parts of one kind: those of surfalign, and those of other packages.

    Attributes
    ----------
    group
        Group of the entry points, e.g. ``surfalign.engines``.
    noun
        What one part is called in messages, e.g. ``engine``.
    built_in
        Name to ``module:attribute`` of surfalign's own parts. A plug-in cannot take such a name.
    problem_of
        Says what is wrong with an object that an entry point names; empty where nothing is.
    """

    group: str
    noun: str
    built_in: Mapping[str, str]
    problem_of: Callable[[Any], str]

    def names(self) -> list[str]:
        """Return the names of all parts, the built-in ones first."""
        return list(dict.fromkeys([*self.built_in, *(p.name for p in self.plugins())]))

    def plugins(self) -> list[EntryPoint]:
        """Return the entry points of installed packages, by name; nothing is imported."""
        return sorted(entry_points(group=self.group), key=lambda p: (p.name, package_of(p)))

    def load(self, name: str) -> Any:
        """Return the part of a name.

        Raises
        ------
        ConfigurationError
            When there is none.
        PluginError
            When a package offers it and it cannot be used, or when two packages do.
        """
        if name in self.built_in:
            module, _, attribute = self.built_in[name].partition(":")
            return getattr(import_module(module), attribute)
        found = [plugin for plugin in self.plugins() if plugin.name == name]
        if not found:
            raise ConfigurationError(
                f"unknown {self.noun} '{name}'",
                f"one of {', '.join(self.names())}",
                "correct the name, or install the package that adds it",
            )
        return self.open(found[0])

    def open(self, plugin: EntryPoint) -> Any:
        """Return what an entry point names.

        Raises
        ------
        PluginError
            When its name is taken, when it cannot be imported, or when it is not what this group holds.
        """
        others = {package_of(p) for p in self.plugins() if p.name == plugin.name}
        if plugin.name in self.built_in:
            others.add("surfalign")
        if others - {package_of(plugin)}:
            raise self._error(plugin, f"has a name that {' and '.join(sorted(others))} offer")
        try:
            part = plugin.load()
        except Exception as error:
            problem = f"cannot be imported: {type(error).__name__}: {error}"
            raise self._error(plugin, problem) from error
        problem = self.problem_of(part)
        if problem:
            raise self._error(plugin, problem)
        return part

    def _error(self, plugin: EntryPoint, problem: str) -> PluginError:
        package = package_of(plugin).split()[0]
        return PluginError(
            f"the {self.noun} '{plugin.name}' of the package {package_of(plugin)} "
            f"({plugin.value}) {problem}",
            f"an entry point of the group {self.group} as docs/extending.md describes it",
            f"pip install --upgrade {package}, or pip uninstall {package}",
        )


def package_of(plugin: EntryPoint) -> str:
    """Return the package of an entry point and its version, e.g. ``my-engine 1.0``."""
    package = plugin.dist
    return "unknown" if package is None else f"{package.name} {package.version}"


def call_problem(function: Any, *arguments: Any, **keywords: Any) -> str:
    """Say why something cannot be called with such arguments; empty where it can.

    Parameters
    ----------
    function
        What an entry point names; it is not called.
    arguments, keywords
        Whatever stands for its arguments: only their number and names count.
    """
    if not callable(function):
        return f"is a {type(function).__name__}, not a function"
    try:
        signature(function).bind(*arguments, **keywords)
    except TypeError as error:
        return f"does not take its arguments: {error}"
    return ""
