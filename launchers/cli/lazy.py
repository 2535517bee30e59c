"""Groups of commands whose modules are imported when a command is called.

The list of commands is a table, so that ``surfalign --help`` is quick while the modules of the commands
import what they need at their top, like all other code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


@dataclass(frozen=True)
class Entry:
    """A row of the table: what a list of commands says of one, without importing it.

    Parameters
    ----------
    module
        Module whose typer app, called ``commands``, holds the command; or is it, where it bears its name.
    help
        First line of the command's help.
    heading
        Panel of the help that shows it.
    """

    module: str
    help: str
    heading: str = "Commands"


class LazyCommand(TyperCommand):
    """Stands for a command in lists, and loads it when it is called."""

    def __init__(self, name: str, entry: Entry) -> None:
        super().__init__(name, help=entry.help, rich_help_panel=entry.heading)
        self.entry = entry

    def load(self) -> Any:
        """Import the command's module; return the command, or the group of commands."""
        commands: typer.Typer = import_module(self.entry.module).commands
        group = get_group(commands)
        return group if group.name == self.name else group.commands[str(self.name)]

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Parse the arguments of a call as the command itself does."""
        return self.load().make_context(*arguments, **options)


class LazyGroup(TyperGroup):
    """A group whose commands are in a table.

    Its own help, and a shell that completes names, are served from the table. Who looks at a command from
    outside, such as typer's writer of reference pages, gets the command itself.
    """

    table: ClassVar[Mapping[str, Entry]]

    def __init__(self, **options: Any) -> None:
        commands = {name: LazyCommand(name, entry) for name, entry in self.table.items()}
        super().__init__(**{**options, "commands": commands})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command by its name; None where there is no such one."""
        command = super().get_command(ctx, cmd_name)
        if isinstance(command, LazyCommand) and ctx.command is not self:
            return command.load()
        return command


def lazy_group(entries: Mapping[str, Entry]) -> type[LazyGroup]:
    """Return the class of a group with these commands, for ``typer.Typer(cls=...)``."""
    return type("Group", (LazyGroup,), {"table": entries})
