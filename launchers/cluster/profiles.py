"""Profiles: where a campaign runs. Database, launcher, engine commands and queues, from one YAML file.

A profile stands under ``profiles:`` in ``surfalign.yaml``, or alone in a file of its own. It holds no
secret: the address of the database, if it has a password, comes from ``SURFALIGN_DATABASE_URI`` or from
a file that only its owner can read (``uri_file``).
"""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from surfalign.errors import ConfigurationError
from surfalign.files import load_yaml, read_secret
from surfalign.plugins import PluginGroup, call_problem
from surfalign.settings import Settings, address_source, load_settings, settings_file
from surfalign.stores.connection.addresses import masked
from surfalign.workflows.routing import DEFAULT, RESOURCE_KINDS, STEPS

#: Kinds of work that a profile may send to queues: the steps of the flow, and the learner's training.
KINDS = (*STEPS, "training")
_WALLTIME = re.compile(r"^(?:(\d+)-)?(\d{1,3}):([0-5]\d):([0-5]\d)$")


#: Launcher name to the function ``open_launcher(profile, cluster) -> Launcher`` of its module.
LAUNCHERS = {
    "fireworks": "surfalign.launchers.cluster.fireworks.launcher:open_launcher",
    "remote": "surfalign.launchers.cluster.remote.launcher:open_launcher",
}
#: The launchers of surfalign and of other packages.
LAUNCHER_GROUP = PluginGroup(
    "surfalign.launchers", "launcher", LAUNCHERS, lambda part: call_problem(part, "profile", None)
)


def _known_launcher(name: str) -> str:
    known = ["local", *LAUNCHER_GROUP.names()]
    if name not in known:
        raise ValueError(f"'{name}' is none of {', '.join(map(repr, known))}")
    return name


def _walltime(text: str) -> str:
    if not _WALLTIME.match(text):
        raise ValueError("a walltime is written H:MM:SS or D-HH:MM:SS, in quotes")
    return text


def _seconds(walltime: str) -> int:
    match = _WALLTIME.match(walltime)
    assert match is not None  # the validator saw to it
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


#: Options of sbatch that are keys of a queue, and those by which a launcher would lose its jobs.
_KEYS_OF_OPTIONS = {
    "partition": "partition", "nodes": "nodes", "ntasks": "tasks", "cpus-per-task": "cores_per_task",
    "gres": "gpus", "mem": "memory", "time": "walltime", "account": "account", "qos": "qos",
    "constraint": "constraint",
}  # fmt: skip
_OPTIONS_OF_LAUNCHERS = (
    "job-name", "output", "error", "input", "chdir", "parsable", "test-only", "wrap", "array", "wait",
    "hold", "quiet", "clusters", "help", "usage", "version",
)  # fmt: skip
_LONG_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


def _sbatch_options(options: dict[str, bool | int | float | str]) -> dict[str, Any]:
    for name, value in options.items():
        if len(name) < 2 or not _LONG_NAME.fullmatch(name):
            raise ValueError(
                f"'{name}' is no long option of sbatch, written without its two hyphens"
            )
        if name in _KEYS_OF_OPTIONS:
            raise ValueError(f"'{name}' is told by the key '{_KEYS_OF_OPTIONS[name]}' of the queue")
        if name in _OPTIONS_OF_LAUNCHERS:
            raise ValueError(f"'{name}' is the launcher's own: leave it out")
        if value is False:
            raise ValueError(f"'{name}': false says nothing to sbatch: leave it out")
        if isinstance(value, str) and (not value.strip() or not value.isprintable()):
            raise ValueError(f"'{name}': a text in one line, or true for an option without a value")
    return options


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Queue(_Model):
    """What one kind of job asks SLURM for."""

    cluster: str = Field(default="local", description="Cluster of the profile it belongs to")
    partition: str = Field(description="SLURM partition")
    nodes: int = Field(default=1, ge=1, description="Nodes of a job")
    tasks: int = Field(default=1, ge=1, description="MPI processes of a job, all nodes together")
    cores_per_task: int = Field(default=1, ge=1, description="Cores of a process")
    gpus: int = Field(default=0, ge=0, description="GPUs of a node")
    gpu_type: str | None = Field(default=None, description="Type of GPU as SLURM names it")
    memory: float | None = Field(
        default=None,
        gt=0,
        description="Memory of a node (GB)",
        json_schema_extra={"unit": "GB"},
    )
    walltime: Annotated[str, AfterValidator(_walltime)] = Field(
        default="4:00:00", description="Longest run, H:MM:SS or D-HH:MM:SS"
    )
    estimated: tuple[Literal["walltime", "memory"], ...] = Field(
        default=(),
        description="What each job asks for by its engine's estimate, up to the queue's own value",
    )
    safety: float = Field(
        default=1.0,
        gt=0,
        description="Factor of the estimates, which hold a margin already (1)",
        json_schema_extra={"unit": "1"},
    )
    least_walltime: Annotated[str, AfterValidator(_walltime)] = Field(
        default="0:10:00", description="Least walltime that an estimate asks for"
    )
    least_memory: float = Field(
        default=2.0,
        ge=1,
        description="Least memory of a node that an estimate asks for (GB)",
        json_schema_extra={"unit": "GB"},
    )
    account: str | None = Field(default=None, description="Account that is charged")
    qos: str | None = Field(default=None, description="Quality of service")
    constraint: str | None = Field(default=None, description="Features of the nodes")
    modules: tuple[str, ...] = Field(default=(), description="Modules to load")
    environment: dict[str, str] = Field(default_factory=dict, description="Variables to export")
    commands: tuple[str, ...] = Field(default=(), description="Shell lines to run before the job")
    sbatch_options: Annotated[
        dict[str, bool | int | float | str], AfterValidator(_sbatch_options)
    ] = Field(default_factory=dict, description="Further options of sbatch, by their long names")
    max_jobs: int = Field(default=100, ge=1, description="Most jobs in SLURM's queue at a time")
    jobs_per_allocation: int = Field(
        default=1,
        ge=1,
        description="Most jobs that one SLURM job runs one after the other",
    )

    @model_validator(mode="after")
    def _estimable(self) -> Self:
        if "memory" in self.estimated and self.memory is None:
            raise ValueError("estimated: memory needs 'memory', the most that a job asks for")
        return self

    @property
    def seconds(self) -> int:
        """The walltime in seconds."""
        return _seconds(self.walltime)

    @property
    def least_seconds(self) -> int:
        """The least walltime in seconds."""
        return _seconds(self.least_walltime)

    @property
    def gres(self) -> str | None:
        """SLURM's generic resource of a node, e.g. ``gpu:a100:2``."""
        if not self.gpus:
            return None
        return f"gpu:{self.gpu_type}:{self.gpus}" if self.gpu_type else f"gpu:{self.gpus}"


class Cluster(_Model):
    """A machine with a SLURM; ``host`` only where it is reached by ssh (launcher remote)."""

    host: str | None = Field(default=None, description="Login node, reached by ssh; None is here")
    user: str | None = Field(default=None, description="User there")
    key_file: Path | None = Field(default=None, description="Private key of ssh")
    work_directory: Path = Field(description="Where jobs run; shared by the nodes, absolute")
    bin_directory: Path = Field(
        default_factory=lambda: Path(sysconfig.get_path("scripts")),
        description="bin directory of the Python environment there",
    )
    scheduler: Literal["slurm", "shell"] = Field(
        default="slurm", description="shell runs jobs without a queue (launcher remote)"
    )

    @model_validator(mode="after")
    def _absolute(self) -> Self:
        if not self.work_directory.is_absolute():
            raise ValueError(f"work_directory {self.work_directory} is not an absolute path")
        return self


class DatabaseAddress(_Model):
    """Where results and job states are kept; without any address the settings decide."""

    uri: str | None = Field(default=None, description="mongodb:// URI without a password")
    uri_file: Path | None = Field(
        default=None, description="File that holds the URI, readable by its owner only"
    )
    name: str | None = Field(default=None, description="Name of the database")

    @model_validator(mode="after")
    def _no_secret(self) -> Self:
        if self.uri is not None and masked(self.uri) != self.uri:
            raise ValueError(
                "the URI holds a password, which does not belong in a profile: put the URI in "
                "SURFALIGN_DATABASE_URI, or in a file of mode 600 named by uri_file"
            )
        if self.uri is not None and self.uri_file is not None:
            raise ValueError("name the database by uri or by uri_file, not both")
        return self

    @property
    def named(self) -> bool:
        """Whether the profile names the address itself."""
        return self.uri is not None or self.uri_file is not None


class Engines(_Model):
    """Commands that start engines on the compute nodes."""

    gpaw: str | None = Field(
        default=None, description="MPI launcher, e.g. 'srun -n {cores}'; None means mpirun"
    )
    vasp: str | None = Field(default=None, description="VASP's command, e.g. 'srun vasp_std'")


class Profile(_Model):
    """Everything that differs from one site to another."""

    name: str
    launcher: Annotated[str, AfterValidator(_known_launcher)] = Field(
        description="Workflow manager"
    )
    database: DatabaseAddress = Field(default_factory=DatabaseAddress)
    engines: Engines = Field(default_factory=Engines)
    clusters: dict[str, Cluster] = Field(default_factory=dict)
    queues: dict[str, Queue] = Field(default_factory=dict)
    steps: dict[str, str] = Field(
        default_factory=dict,
        description="Queue of each step; 'cpu' and 'gpu' for those that declare to need one; "
        "'default' for the others",
    )
    reruns: int = Field(
        default=3, ge=0, description="How often a job that was lost or killed is started again"
    )
    poll_interval: float = Field(
        default=30.0,
        gt=0,
        description="How often a worker looks at the database and at SLURM (s)",
        json_schema_extra={"unit": "s"},
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.launcher == "local":
            return self
        if not self.queues:
            raise ValueError("queues: at least one is needed")
        for queue_name, queue in self.queues.items():
            if queue.cluster not in self.clusters:
                raise ValueError(
                    f"queues.{queue_name}.cluster: '{queue.cluster}' is not among the clusters "
                    f"({', '.join(self.clusters) or 'none'})"
                )
            if self.launcher == "remote" and queue.estimated and queue.jobs_per_allocation > 1:
                raise ValueError(
                    f"queues.{queue_name}.estimated: with the launcher remote, the jobs of an "
                    "allocation ask for fixed values; leave out jobs_per_allocation or estimated"
                )
        for kind, queue_name in self.steps.items():
            known = (*KINDS, *RESOURCE_KINDS, DEFAULT)
            if kind not in known:
                raise ValueError(f"steps.{kind}: unknown; one of {', '.join(known)}")
            if queue_name not in self.queues:
                raise ValueError(
                    f"steps.{kind}: '{queue_name}' is not among the queues "
                    f"({', '.join(self.queues)})"
                )
        if DEFAULT not in self.steps and set(STEPS) - set(self.steps) and len(self.queues) > 1:
            missing = [step for step in STEPS if step not in self.steps]
            raise ValueError(f"steps: no queue for {', '.join(missing)}, and no '{DEFAULT}'")
        if self.launcher == "fireworks":
            for cluster_name, cluster in self.clusters.items():
                if cluster.host is not None:
                    raise ValueError(
                        f"clusters.{cluster_name}.host: FireWorks does not use ssh; start "
                        "'surfalign worker' on that machine, or take the launcher 'remote'"
                    )
        return self

    def queue_of(self, step: str, resource_kind: str = "cpu") -> str:
        """Return the name of the queue that runs a step.

        Parameters
        ----------
        step
            A step of the flow, or ``training``.
        resource_kind
            The kind of machine that the step declares to need.
        """
        table = self.queue_table()
        return next(table[name] for name in (step, resource_kind, DEFAULT) if name in table)

    def queue_table(self) -> dict[str, str]:
        """Return the queues by step, kind of machine, and default (always there)."""
        return {DEFAULT: next(iter(self.queues))} | self.steps

    def settings(self) -> Settings:
        """Return the settings with this profile's database.

        Raises
        ------
        ConfigurationError
            When the file of the URI is missing or readable by others.
        """
        update: dict[str, Any] = {}
        if self.database.name is not None:
            update["database_name"] = self.database.name
        if self.database.uri is not None:
            update |= {"database_uri": SecretStr(self.database.uri), "database_uri_file": None}
        if self.database.uri_file is not None:
            update["database_uri"] = SecretStr(read_secret(self.database.uri_file))
            update["database_uri_file"] = self.database.uri_file
        return load_settings().model_copy(update=update)

    def address_source(self) -> str:
        """Return what names the database: this profile, a variable, a file, or nothing."""
        if self.database.uri is not None:
            return f"profile {self.name}"
        return address_source(self.settings())

    def environment(self, queue: Queue) -> dict[str, str]:
        """Return the variables that a job of a queue sees."""
        variables = {"SURFALIGN_CORES": str(queue.tasks)}
        if queue.memory is not None:
            variables["SURFALIGN_MEMORY_LIMIT"] = f"{queue.memory * queue.nodes:g}"
        if queue.cores_per_task == 1:
            variables["OMP_NUM_THREADS"] = "1"
        if self.engines.gpaw is not None:
            variables["SURFALIGN_MPI_COMMAND"] = self.engines.gpaw
        if self.engines.vasp is not None:
            variables["ATOMATE2_VASP_CMD"] = self.engines.vasp
        return variables | queue.environment


def load_profile(name: str) -> Profile:
    """Read a profile by its name in the settings file, or from a file of its own.

    Parameters
    ----------
    name
        Name under ``profiles:``, or path of a YAML file that holds one profile.

    Raises
    ------
    ConfigurationError
        When there is no such profile, or a key or value of it is wrong; names the first one.
    """
    path = Path(name).expanduser()
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return _validated(path.stem, _read_yaml(path), str(path))
    known = load_settings().profiles
    where = str(settings_file() or "surfalign.yaml")
    if name not in known:
        raise ConfigurationError(
            f"there is no profile '{name}'",
            f"one of {', '.join(known)}" if known else f"'profiles:' in {where}, or a YAML file",
            "see docs/how-to/profiles.md for templates",
        )
    return _validated(name, known[name], where)


def _read_yaml(path: Path) -> Any:
    try:
        return load_yaml(path.read_text(encoding="utf-8"), f"the profile {path}")
    except OSError as error:
        raise ConfigurationError(
            f"the profile {path} cannot be read: {error.strerror}", "a YAML file", "check the path"
        ) from error
    except yaml.YAMLError as error:
        # Without the line itself, which may hold a password.
        mark = getattr(error, "problem_mark", None)
        place = f": look at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigurationError(
            f"the profile {path} is no YAML{place}",
            "keys and values",
            "correct that line",
        ) from None


def _validated(name: str, content: Any, where: str) -> Profile:
    if not isinstance(content, dict):
        raise ConfigurationError(
            f"the profile '{name}' in {where} holds no keys", "launcher, queues, ...", "fill it in"
        )
    try:
        return Profile.model_validate({"name": name, **content})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = f"unknown key; one of {', '.join(_keys(first['loc']))}"
        raise ConfigurationError(
            f"profile '{name}': {place + ': ' if place else ''}{message}",
            "a profile as in docs/how-to/profiles.md",
            f"correct {where}",
        ) from None


def _keys(location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that are possible where an unknown one was found."""
    models: dict[int | str, type[BaseModel]] = {
        "queues": Queue,
        "clusters": Cluster,
        "database": DatabaseAddress,
        "engines": Engines,
    }
    model = models.get(location[0], Profile) if len(location) > 1 else Profile
    return list(model.model_fields)


def python_of(cluster: Cluster) -> Path:
    """Return the Python of a cluster's environment."""
    return cluster.bin_directory / Path(sys.executable).name
