"""Settings of one installation, read from ``SURFALIGN_*`` variables and one YAML file.

The file is ``surfalign.yaml`` in the current directory, else in the user's configuration directory
(``SURFALIGN_CONFIG_FILE`` names another). Environment variables win over the file. Settings are read
at call time: nothing is cached at import.
"""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from platformdirs import user_config_path, user_data_path
from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from surfalign.errors import ConfigurationError
from surfalign.files import load_yaml, read_secret

FILE_NAME = "surfalign.yaml"


def settings_file() -> Path | None:
    """Return the settings file in force, or None where there is none."""
    named = os.environ.get("SURFALIGN_CONFIG_FILE")
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise ConfigurationError(
                f"SURFALIGN_CONFIG_FILE names {path}, which is not a file",
                "the path of a YAML file",
                "correct the variable or unset it",
            )
        return path
    for path in (Path.cwd() / FILE_NAME, user_config_path("surfalign") / FILE_NAME):
        if path.is_file():
            return path
    return None


def _network(text: str) -> str:
    """Return an address or a network as it was written; ValueError where it is none."""
    ip_network(text, strict=False)
    return text


class Settings(BaseSettings):
    """What differs from one installation to another; nothing here changes a computed number."""

    # Inputs may be secrets: no error shows them.
    model_config = SettingsConfigDict(
        env_prefix="SURFALIGN_", extra="forbid", hide_input_in_errors=True
    )

    database_uri: SecretStr | None = Field(
        default=None,
        description="mongodb:// URI of the results database; None starts a local server",
    )
    database_uri_file: Path | None = Field(
        default=None,
        description="File of mode 600 that holds the URI, in the place of database_uri",
    )
    database_name: str = Field(
        default="surfalign", description="Name of the database, where the URI names none"
    )
    data_directory: Path = Field(
        default_factory=lambda: user_data_path("surfalign"),
        description="Where the local database, PAW datasets and logs are kept",
    )
    cores: int | None = Field(
        default=None, ge=1, description="Cores to use at one time; None means all of this machine"
    )
    memory_limit: float | None = Field(
        default=None,
        gt=0,
        description="Memory to use at one time (GB); None means what is available",
        json_schema_extra={"unit": "GB"},
    )
    mpi_command: str | None = Field(
        default=None,
        description="Launcher of parallel engine processes, with {cores}; None means mpirun",
    )
    wall_time: float | None = Field(
        default=None,
        gt=0,
        description="Time the queue gives this process (s); None asks SLURM, where it runs the job",
        json_schema_extra={"unit": "s"},
    )
    hydrogen_electrode: float = Field(
        default=-4.44,
        ge=-5.0,
        le=-4.0,
        description="Standard hydrogen electrode against vacuum (eV), for redox levels; IUPAC 1986",
        json_schema_extra={"unit": "eV"},
    )
    oxygen_correction: float = Field(
        default=0.0,
        ge=-3.0,
        le=3.0,
        description="Added to the energy of half an O2 molecule (eV), which comes from H2O and H2",
        json_schema_extra={"unit": "eV"},
    )
    start_potential: str = Field(
        default="auto",
        description="Pretrained potential that starts relaxations: auto (the first installed of chgnet, "
        "sevennet), none, a name, or a Python file with calculator(); two with a comma must agree",
    )
    archive_directory: Path | None = Field(
        default=None,
        description="Where raw files of engines are kept, compressed; None means in data_directory",
    )
    template_directory: Path | None = Field(
        default=None,
        description="Folder with templates of your laboratory for surfalign register",
    )
    blob_store: Literal["files", "database"] = Field(
        default="files",
        description="Where large arrays are kept: beside the raw files, or in the database (GridFS)",
    )
    vasp_gpu_command: str | None = Field(
        default=None,
        description="Command of a VASP for GPUs, taken where GPUs are visible; others: atomate2's",
    )
    vasp_gpu_ncl_command: str | None = Field(
        default=None,
        description="The same with spin-orbit coupling; None means atomate2's, without GPUs",
    )
    vasp_run_directory: Path | None = Field(
        default=None,
        description="Where VASP runs (scratch); None means the folder of the job",
    )
    vasp_potcar_spec: bool = Field(
        default=False,
        description="Write POTCAR.spec instead of POTCAR (for tests; VASP cannot run)",
    )
    vasp_polling_time: float = Field(
        default=10.0,
        gt=0,
        description="How often custodian looks whether VASP has ended (s)",
        json_schema_extra={"unit": "s"},
    )
    vasp_monitor_time: float = Field(
        default=300.0,
        gt=0,
        description="How often custodian looks for errors while VASP runs (s)",
        json_schema_extra={"unit": "s"},
    )
    vasp_frozen_after: float = Field(
        default=21600.0,
        gt=0,
        description="Silence after which a VASP counts as hung (s)",
        json_schema_extra={"unit": "s"},
    )
    vasp_checkpoint_before: float = Field(
        default=900.0,
        gt=0,
        description="How long before the wall time ends VASP is asked to stop (s)",
        json_schema_extra={"unit": "s"},
    )
    web_proxies: list[Annotated[str, AfterValidator(_network)]] = Field(
        default_factory=list,
        description="Addresses or networks of reverse proxies whose X-Forwarded-For and -Proto count",
    )
    profiles: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Where campaigns run: queues and launchers by name (docs/how-to/profiles.md)",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment first, then the YAML file."""
        return (init_settings, env_settings, _SettingsFile(settings_cls, yaml_file=settings_file()))


class _SettingsFile(YamlConfigSettingsSource):
    """The YAML file; its address of the database counts only where no variable gives one."""

    def _read_file(self, file_path: Any) -> dict[str, Any]:
        """Read the file as every other YAML file is read; pydantic takes the last of two equal keys."""
        return load_yaml(file_path.read_text(encoding="utf-8"), str(file_path)) or {}

    def __call__(self) -> dict[str, Any]:
        values = super().__call__()
        if _ADDRESS & set(self.current_state):
            return {name: value for name, value in values.items() if name not in _ADDRESS}
        return values


#: The two ways to name the database.
_ADDRESS = {"database_uri", "database_uri_file"}


def load_settings(**overrides: Any) -> Settings:
    """Read the settings in force, and the file that holds the URI of the database.

    Raises
    ------
    ConfigurationError
        When the file or a variable holds an unknown key or a bad value.
    """
    try:
        settings = Settings(**overrides)
    except (ValidationError, yaml.YAMLError) as error:
        where = settings_file()
        raise ConfigurationError(
            f"the settings cannot be read: {_first_problem(error)}",
            f"keys among {', '.join(sorted(Settings.model_fields))}",
            f"mend {where or 'the SURFALIGN_* environment variables'}",
        ) from error
    if settings.database_uri_file is None:
        return settings
    # Jobs of a queue get an empty variable, for that of the shell that submitted them would be there.
    if settings.database_uri is not None and settings.database_uri.get_secret_value():
        raise ConfigurationError(
            "the database is named by database_uri and by database_uri_file",
            "one of them",
            "remove database_uri (SURFALIGN_DATABASE_URI), or the other one",
        )
    uri = SecretStr(read_secret(settings.database_uri_file))
    return settings.model_copy(update={"database_uri": uri})


def address_source(settings: Settings) -> str:
    """Return what names the database in these settings: a variable, a file, or nothing."""
    if settings.database_uri_file is not None:
        return str(settings.database_uri_file)
    if settings.database_uri is None:
        return "nothing"
    variable = "SURFALIGN_DATABASE_URI"
    return variable if os.environ.get(variable) else str(settings_file())


def _first_problem(error: ValidationError | yaml.YAMLError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)
