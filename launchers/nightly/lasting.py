"""The address of the database as a scheduled command finds it: without this shell, from any directory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from surfalign.errors import ConfigurationError
from surfalign.launchers.cluster.profiles import Profile, load_profile
from surfalign.settings import Settings, address_source, load_settings, settings_file
from surfalign.stores.connection.addresses import Address, address_of

#: Variables that are kept as they are.
_KEPT = ("SURFALIGN_DATABASE_NAME", "SURFALIGN_BLOB_STORE", "SURFALIGN_PROFILES")
_URI = "SURFALIGN_DATABASE_URI"


@dataclass(frozen=True)
class LastingAddress:
    """A database that a scheduled command finds again.

    Parameters
    ----------
    shown
        Its address without secrets; empty for the local database.
    source
        What names it.
    variables
        The variables that name this installation; none holds a secret.
    """

    shown: str = ""
    source: str = ""
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def is_local(self) -> bool:
        """Whether it is the database of this machine alone."""
        return not self.shown


def profile_in(arguments: Sequence[str]) -> str | None:
    """Return the profile that the arguments of a task name."""
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "--profile":
            return value if equals else next(iter(arguments[place + 1 :]), None)
    return None


def lasting_address(arguments: Sequence[str]) -> LastingAddress:
    """Return the address in use, if a command without this shell's variables and directory finds it.

    Parameters
    ----------
    arguments
        Of the task, which may name a profile.

    Raises
    ------
    ConfigurationError
        When it would be forgotten: the task would work on another, empty database.
    """
    name = profile_in(arguments)
    profile = load_profile(name) if name else None
    settings = profile.settings() if profile else load_settings()
    variables = _variables(settings)
    if settings.database_uri is None:
        return LastingAddress(source=address_source(settings), variables=variables)
    address = address_of(settings)
    if profile and profile.database.named:
        _refuse_relative(profile)
    elif settings.database_uri_file is not None:
        variables[f"{_URI}_FILE"] = _absolute(settings.database_uri_file)
    elif os.environ.get(_URI):
        variables[_URI] = _without_secret(address)
    _refuse_relative_files(address)
    source = profile.address_source() if profile else address_source(settings)
    return LastingAddress(f"{address.name} at {address.shown}", source, variables)


def _variables(settings: Settings) -> dict[str, str]:
    """Return the variables that lead to the same settings from any directory."""
    variables = {name: os.environ[name] for name in _KEPT if os.environ.get(name)}
    if (file := settings_file()) is not None:
        variables["SURFALIGN_CONFIG_FILE"] = _absolute(file)
    variables["SURFALIGN_DATA_DIRECTORY"] = _absolute(settings.data_directory)
    if settings.archive_directory is not None:
        variables["SURFALIGN_ARCHIVE_DIRECTORY"] = _absolute(settings.archive_directory)
    return variables


def _absolute(path: Path) -> str:
    return str(path.expanduser().absolute())


def _without_secret(address: Address) -> str:
    if address.has_secret:
        raise ConfigurationError(
            f"the address of the database ({address.shown}) is known to this shell only, by {_URI}, "
            "and holds a secret, which an entry of a scheduler must not",
            "an address that lasts",
            "write it to a file of mode 600 and name that file: database_uri_file in surfalign.yaml "
            f"({_URI}_FILE), or uri_file in the profile; then unset {_URI}",
        )
    return address.uri


def _refuse_relative(profile: Profile) -> None:
    file = profile.database.uri_file
    if file is not None and not file.expanduser().is_absolute():
        raise ConfigurationError(
            f"profile '{profile.name}' names the file of the address as {file}, "
            "which another directory does not hold",
            "a path from the root",
            f"write uri_file: {_absolute(file)}",
        )


def _refuse_relative_files(address: Address) -> None:
    for option, path in address.files.items():
        if not path.is_absolute():
            raise ConfigurationError(
                f"the address of the database names {option} as {path}, "
                "which another directory does not hold",
                "a path from the root",
                f"write {option}={path.absolute()} in the URI",
            )
