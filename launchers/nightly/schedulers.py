"""Entries for the schedulers that run something every night: scrontab, cron, systemd."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from surfalign.errors import ConfigurationError, MissingDependencyError
from surfalign.files import write_whole
from surfalign.launchers.nightly.lasting import LastingAddress, lasting_address
from surfalign.launchers.nightly.runs import TASKS

VIA = ("scrontab", "cron", "systemd")


@dataclass(frozen=True)
class Entry:
    """Something to be run every night.

    Parameters
    ----------
    task
        One of :data:`~.nights.TASKS`.
    hour, minute
        When, local time.
    arguments
        Further arguments of its command.
    address
        The database that it works on, and the variables by which it is found.
    partition, time_limit
        Where and how long, for scrontab.
    """

    task: str
    hour: int
    minute: int
    address: LastingAddress
    arguments: tuple[str, ...] = ()
    partition: str | None = None
    time_limit: str = "4:00:00"

    @property
    def mark(self) -> str:
        """The comment by which the entry is found again."""
        return f"# surfalign nightly {self.task}"

    @property
    def command(self) -> list[str]:
        """The command with the variables that name the installation."""
        program = Path(sysconfig.get_path("scripts")) / "surfalign"
        variables = [f"{name}={value}" for name, value in self.address.variables.items()]
        extra = ["--", *self.arguments] if self.arguments else []
        return ["/usr/bin/env", *variables, str(program), "nightly", self.task, *extra]


def entry(
    task: str,
    at: str,
    arguments: Sequence[str] = (),
    partition: str | None = None,
    time_limit: str = "4:00:00",
) -> Entry:
    """Check what was asked for and return the entry.

    Raises
    ------
    ConfigurationError
        When the task or the time cannot be understood, or the address of the database does not last.
    """
    if task not in TASKS:
        raise ConfigurationError(f"unknown task '{task}'", f"one of {', '.join(TASKS)}", "name one")
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", at)
    if match is None:
        raise ConfigurationError(f"'{at}' is no time of day", "HH:MM, e.g. 02:00", "correct --at")
    address = lasting_address(arguments)
    if any("\n" in text for text in (*arguments, *address.variables.values())):
        raise ConfigurationError("an argument of two lines", "one line", "write it in one line")
    return Entry(
        task, int(match[1]), int(match[2]), address, tuple(arguments), partition, time_limit
    )


def crontab_text(wanted: Entry) -> str:
    """Return the line for cron."""
    return f"{wanted.mark}\n{wanted.minute} {wanted.hour} * * * {_cron_command(wanted)}\n"


def scrontab_text(wanted: Entry) -> str:
    """Return the lines for SLURM's cron.

    Raises
    ------
    ConfigurationError
        When the database is the local one, which the node of the run does not reach.
    """
    if wanted.address.is_local:
        raise ConfigurationError(
            "no database is configured, and the local one answers on this machine alone; SLURM runs "
            "the entry on another",
            "a database that compute nodes reach",
            "set database_uri or database_uri_file in surfalign.yaml, or take --via cron",
        )
    options = [f"#SCRON --time={wanted.time_limit}", f"#SCRON --job-name=surfalign-{wanted.task}"]
    if wanted.partition:
        options.append(f"#SCRON --partition={wanted.partition}")
    line = f"{wanted.minute} {wanted.hour} * * * {_cron_command(wanted)}"
    return "\n".join([wanted.mark, *options, line]) + "\n"


def systemd_units(wanted: Entry) -> dict[str, str]:
    """Return the two units of a systemd user timer, by file name."""
    # A percent sign begins a specifier there, a dollar sign a variable.
    command = shlex.join(wanted.command).replace("%", "%%").replace("$", "$$")
    name = f"surfalign-{wanted.task}"
    return {
        f"{name}.service": f"""\
[Unit]
Description=surfalign nightly {wanted.task}

[Service]
Type=oneshot
ExecStart={command}
""",
        f"{name}.timer": f"""\
[Unit]
Description=surfalign nightly {wanted.task}

[Timer]
OnCalendar=*-*-* {wanted.hour:02d}:{wanted.minute:02d}:00
Persistent=true

[Install]
WantedBy=timers.target
""",
    }


def text(wanted: Entry, via: str) -> str:
    """Return the entry as a scheduler takes it.

    Raises
    ------
    ConfigurationError
        When there is no such scheduler.
    """
    if via == "cron":
        return crontab_text(wanted)
    if via == "scrontab":
        return scrontab_text(wanted)
    if via == "systemd":
        units = systemd_units(wanted)
        return "\n".join(f"# ~/.config/systemd/user/{name}\n{unit}" for name, unit in units.items())
    raise ConfigurationError(f"unknown scheduler '{via}'", f"one of {', '.join(VIA)}", "name one")


def install(wanted: Entry, via: str) -> str:
    """Put the entry into the user's table, in the place of an earlier one; return what was done.

    Raises
    ------
    MissingDependencyError
        When the scheduler's program is not there.
    ConfigurationError
        When it refuses the entry.
    """
    new = text(wanted, via)
    if via == "systemd":
        return _install_units(wanted)
    program = {"cron": "crontab", "scrontab": "scrontab"}[via]
    listed = _call([program, "-l"], check=False)
    kept = without_entry(listed.stdout if listed.returncode == 0 else "", wanted)
    _call([program, "-"], stdin=kept + new)
    return f"the entry is in {program} -l"


def without_entry(table: str, wanted: Entry) -> str:
    """Return a table less the entry of the same task."""
    kept, inside = [], False
    for line in table.splitlines():
        if line.strip() == wanted.mark:
            inside = True
        elif inside:
            # The entry ends with its command.
            inside = line.startswith("#SCRON")
        else:
            kept.append(line)
    return "".join(line + "\n" for line in kept)


def _cron_command(wanted: Entry) -> str:
    # cron takes a percent sign for a new line.
    return shlex.join(wanted.command).replace("%", r"\%") + " >/dev/null 2>&1"


def _install_units(wanted: Entry) -> str:
    folder = Path.home() / ".config" / "systemd" / "user"
    folder.mkdir(parents=True, exist_ok=True)
    for name, unit in systemd_units(wanted).items():
        write_whole(folder / name, unit)
    timer = f"surfalign-{wanted.task}.timer"
    _call(["systemctl", "--user", "daemon-reload"])
    _call(["systemctl", "--user", "enable", "--now", timer])
    return f"the timer {timer} is enabled; loginctl enable-linger keeps it when you log out"


def _call(
    command: list[str], stdin: str | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    if shutil.which(command[0]) is None:
        raise MissingDependencyError(
            f"the program {command[0]} is not on this machine",
            "the scheduler that --via names",
            f"choose another of {', '.join(VIA)}, or leave out --install and copy the entry",
        )
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise ConfigurationError(
            f"{shlex.join(command)} failed: {done.stderr.strip() or done.stdout.strip()}",
            "a scheduler that takes the entry",
            "leave out --install and put the entry in by hand",
        )
    return done
