"""Imports of the command line that wait until they are needed, so that every help is quick.

The list of commands is a table: ``surfalign --help`` imports none of their modules. A command's module names
at its top what it needs, like all other code; what is slow stands under ``with imported_when_used()``, and
is not executed for the command's own help.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

#: Heading of the help to names of commands, each with its module and the first line of its help.
Table = Mapping[str, Mapping[str, tuple[str, str]]]


class _LazyFinder:
    """Finds our modules as usual, and lets them be executed when one of their names is first used."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: Any = None
    ) -> ModuleSpec | None:
        if not name.startswith("surfalign."):
            return None
        spec = PathFinder.find_spec(name, path, target)
        # A package is executed at once: it is small, and those below it are found through it.
        if spec is not None and spec.loader is not None and not spec.submodule_search_locations:
            spec.loader = LazyLoader(spec.loader)
        return spec


@contextmanager
def imported_when_used() -> Iterator[None]:
    """Import our modules in the block as names only: ``from surfalign.stores import levels``.

    The first use of a name of theirs (``levels.LEVELS_VERSION``) executes them. ``from ... import NAME``
    is such a use, so it gains nothing here.
    """
    finder = _LazyFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class LazyCommand(TyperCommand):
    """Stands for a command in lists, and imports it when it is called.

    Parameters
    ----------
    name, help, heading
        What a list shows: the name, the first line of the help, and the panel that both stand in.
    module
        Module whose typer app ``commands`` holds the command; or is it, where it bears the same name.
    """

    def __init__(self, name: str, help: str, heading: str, module: str) -> None:
        super().__init__(name, help=help, rich_help_panel=heading)
        self.module = module

    def load(self) -> Any:
        """Import the module; return the command, or the group of commands."""
        commands: typer.Typer = import_module(self.module).commands
        group = get_group(commands)
        return group if group.name == self.name else group.commands[str(self.name)]

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Parse the arguments of a call as the command itself does."""
        return self.load().make_context(*arguments, **options)


class LazyGroup(TyperGroup):
    """A group whose commands are in a table.

    Its own help, and a shell that completes names, are served from the table. Who looks from elsewhere,
    such as typer's writer of reference pages, gets the commands themselves.
    """

    package: ClassVar[str]
    table: ClassVar[Table]

    def __init__(self, **options: Any) -> None:
        options["commands"] = {
            name: LazyCommand(name, help, heading, f"{self.package}.{module}")
            for heading, rows in self.table.items()
            for name, (module, help) in rows.items()
        }
        super().__init__(**options)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command by its name, or None."""
        command = super().get_command(ctx, cmd_name)
        if isinstance(command, LazyCommand) and ctx.command is not self:
            return command.load()
        return command


def lazy_group(package: str, table: Table) -> type[LazyGroup]:
    """Return the class of a group, for ``typer.Typer(cls=...)``.

    Parameters
    ----------
    package
        Where the modules of the table are.
    table
        The commands.
    """
    return type("CommandGroup", (LazyGroup,), {"package": package, "table": table})
