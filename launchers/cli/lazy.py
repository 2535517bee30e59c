"""Groups of commands whose modules are imported when a command is called.

The list of commands is a table, so that ``surfalign --help`` is quick while the modules of the commands
import what they need at their top, like all other code.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

#: Heading of the help to names of commands, each with its module and the first line of its help.
Table = Mapping[str, Mapping[str, tuple[str, str]]]


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
