"""What is installed, reachable and missing here: one small function a check.

``surfalign doctor`` prints them. A check returns what it found and, where something is wrong, the
command that repairs it. Each imports what it looks at by itself: a broken package is a finding.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from surfalign.errors import PluginError, SurfalignError
from surfalign.plugins import package_of
from surfalign.settings import Settings, load_settings

#: A program that does not answer within this time is reported as broken (s).
TIMEOUT = 120.0
#: Below these, runs of small cells fail (GB).
SMALL_MEMORY = 2.0
SMALL_DISK = 2.0

#: Packages without which nothing runs, with a module to import: atomate2's needs all the others.
CORE_PACKAGES = {"pymatgen": "", "jobflow": "", "maggma": "", "atomate2": "atomate2.ase.jobs"}
OPTIONAL_PACKAGES = {"parquet": ("pandas", "pyarrow")}

#: Runs the engine's smallest step and prints what came out.
TRIAL = "surfalign.workflows.engines.gpaw.child.trial"


class State(StrEnum):
    """Outcome of a check."""

    OK = "ok"
    WARNING = "warning"  # works, but not as it should
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Parameters
    ----------
    name
        What was looked at.
    state
        Outcome.
    detail
        Version, place or problem.
    remedy
        The command or step that repairs it; empty where nothing is wrong.
    required
        Whether surfalign cannot run without it.
    """

    name: str
    state: State
    detail: str
    remedy: str = ""
    required: bool = True

    @property
    def blocks(self) -> bool:
        """Whether this keeps surfalign from running."""
        return self.required and self.state is State.MISSING


def checks() -> Iterator[tuple[str, Callable[[], Finding]]]:
    """Yield the name and the function of every check, the quick ones first."""
    yield "Python", check_python
    yield "surfalign", check_surfalign
    yield "settings", check_settings
    yield "cores", check_cores
    yield "memory", check_memory
    yield "disk space", check_disk
    for package, module in CORE_PACKAGES.items():
        yield package, partial(check_package, package, module)
    yield "GPAW", check_gpaw
    yield "MPI", check_mpi
    yield "PAW datasets", check_datasets
    yield "start potential", check_start_potential
    yield "local database server", check_database_server
    yield "database", check_database
    yield "VASP", check_vasp
    yield "POTCAR files", check_potcars
    yield "Materials Project", check_materials_project
    for extra, packages in OPTIONAL_PACKAGES.items():
        yield extra, partial(check_optional, extra, packages)
    yield "plug-ins", check_plugins


def examine(name: str, check: Callable[[], Finding]) -> Finding:
    """Run a check; a check that breaks on a broken installation is itself a finding."""
    try:
        return check()
    except SurfalignError as error:
        return Finding(name, State.MISSING, error.found, error.remedy)
    except Exception as error:  # noqa: BLE001 (whatever is broken, the other checks go on)
        detail = f"cannot be examined: {type(error).__name__}: {error}"
        return Finding(name, State.MISSING, detail, "reinstall surfalign")


# --- the machine -----------------------------------------------------------------------------


def check_python() -> Finding:
    """Check the version of Python."""
    detail = f"{platform.python_version()} at {sys.executable}"
    if tuple(map(int, platform.python_version_tuple()[:2])) < (3, 11):
        return Finding("Python", State.MISSING, detail, "install Python 3.11 or later")
    return Finding("Python", State.OK, detail)


def check_cores() -> Finding:
    """Report the cores that a run uses."""
    from surfalign.processes import available_cores

    settings = _settings()
    return Finding("cores", State.OK, f"{available_cores(settings)} for a run", required=False)


def check_memory() -> Finding:
    """Check that there is memory for a small calculation."""
    from surfalign.processes import available_memory

    limit = available_memory(_settings())
    detail = f"{limit:.1f} GB for a run"
    if limit < SMALL_MEMORY:
        return Finding(
            "memory",
            State.WARNING,
            detail,
            f"free memory or raise memory_limit: slabs need {SMALL_MEMORY:g} GB and more",
            required=False,
        )
    return Finding("memory", State.OK, detail, required=False)


def check_disk() -> Finding:
    """Check the free space where data are kept."""
    directory = _settings().data_directory.expanduser()
    free = shutil.disk_usage(_existing(directory)).free / 1e9
    detail = f"{free:.1f} GB free for {directory}"
    if free < SMALL_DISK:
        return Finding(
            "disk space",
            State.WARNING,
            detail,
            f"free {SMALL_DISK:g} GB, or name another folder in SURFALIGN_DATA_DIRECTORY",
            required=False,
        )
    return Finding("disk space", State.OK, detail, required=False)


# --- surfalign and its packages --------------------------------------------------------------


def check_surfalign() -> Finding:
    """Report the version and the place of this package."""
    import surfalign

    version = _version("surfalign") or "not installed as a package"
    place = Path(surfalign.__file__).parent
    return Finding("surfalign", State.OK, f"{version} at {place}")


def check_settings() -> Finding:
    """Check that the settings file and the environment variables are valid."""
    from surfalign.settings import settings_file

    try:
        load_settings()
        path = settings_file()
    except SurfalignError as error:
        return Finding("settings", State.MISSING, error.found, error.remedy)
    variables = sorted(name for name in os.environ if name.startswith("SURFALIGN_"))
    found = [str(path) if path else "no file", *variables]
    return Finding("settings", State.OK, ", ".join(found))


def check_package(package: str, module: str) -> Finding:
    """Check that a required package is installed and, where named, that a module can be imported."""
    version = _version(package)
    if version is None:
        return Finding(package, State.MISSING, "not installed", _pip(package))
    problem = _import_problem(module) if module else ""
    if problem:
        detail = f"{version} is installed, but {module} cannot be imported: {problem}"
        return Finding(package, State.MISSING, detail, _pip(f"--force-reinstall {package}"))
    return Finding(package, State.OK, version)


def check_optional(extra: str, packages: tuple[str, ...]) -> Finding:
    """Report whether the packages of an optional feature are installed."""
    found = {package: _version(package) for package in packages}
    missing = [package for package, version in found.items() if version is None]
    if missing:
        detail = f"{', '.join(missing)} not installed"
        remedy = _pip(" ".join(missing))
        return Finding(extra, State.MISSING, detail, remedy, required=False)
    detail = ", ".join(f"{package} {version}" for package, version in found.items())
    return Finding(extra, State.OK, detail, required=False)


def check_plugins() -> Finding:
    """List the engines, launchers and learners of other packages, and those that cannot be used."""
    from surfalign.launchers.cluster.launcher import WORKER_GROUP
    from surfalign.launchers.cluster.profiles import LAUNCHER_GROUP
    from surfalign.ml.learners.kinds import LEARNER_GROUP
    from surfalign.workflows.engines.engine import ENGINE_GROUP

    found, errors = [], []
    for group in (ENGINE_GROUP, LAUNCHER_GROUP, WORKER_GROUP, LEARNER_GROUP):
        for plugin in group.plugins():
            try:
                group.open(plugin)
                found.append(f"{group.noun} {plugin.name} ({package_of(plugin)})")
            except PluginError as error:
                errors.append(error)
    detail = "; ".join([*found, *(error.found for error in errors)]) or "none"
    if errors:
        remedy = "; ".join(dict.fromkeys(error.remedy for error in errors))
        return Finding("plug-ins", State.WARNING, detail, remedy, required=False)
    return Finding("plug-ins", State.OK, detail, required=False)


# --- engines ---------------------------------------------------------------------------------


def check_gpaw() -> Finding:
    """Check that GPAW has the version whose interfaces are used, computes, and what it was built with."""
    version = _version("gpaw")
    if version is None:
        return Finding("GPAW", State.MISSING, "not installed", _build_gpaw())
    tested = _wanted_gpaw().partition(">=")[2].partition(",")[0]
    if not version.startswith(tested):
        return Finding("GPAW", State.WARNING, f"{version}; tested with {tested}", _build_gpaw())
    found, problem = _trial(1)
    if problem:
        return Finding("GPAW", State.MISSING, f"{version} fails: {problem}", _build_gpaw())
    parts = {"FFTW": found["fftw"], "ScaLAPACK": found["scalapack"]}
    missing = " and ".join(name for name, there in parts.items() if not there)
    if missing:
        detail = f"{version}, built without {missing}: slower, or on fewer cores, than it could be"
        return Finding("GPAW", State.WARNING, detail, _build_gpaw())
    return Finding("GPAW", State.OK, f"{version}, with {' and '.join(parts)}")


def check_start_potential() -> Finding:
    """Look which pretrained potential starts relaxations; none is needed."""
    from surfalign.workflows.engines.relaxation.potential.choice import PACKAGES, chosen_potentials

    settings = _settings()
    chosen = chosen_potentials(settings)
    if chosen:
        known = [
            f"{name} {_version(PACKAGES[name])}" if name in PACKAGES else name for name in chosen
        ]
        return Finding("start potential", State.OK, " and ".join(known))
    if settings.start_potential == "none":
        return Finding("start potential", State.OK, "none, as the settings say")
    detail = "not installed: relaxations start from the bulk's positions"
    return Finding("start potential", State.MISSING, detail, _pip("chgnet"), required=False)


def check_mpi() -> Finding:
    """Run a step on two processes; needed where more than one core is to be used."""
    from surfalign.processes import available_cores

    required = available_cores(_settings()) > 1
    remedy = "apt-get install openmpi-bin libopenmpi-dev, then build GPAW anew; or use --cores 1"
    found, problem = _trial(2)
    if problem:
        return Finding("MPI", State.MISSING, f"two processes fail: {problem}", remedy, required)
    if found["processes"] != 2:
        detail = "two processes do not see each other: GPAW was built without MPI"
        return Finding("MPI", State.MISSING, detail, remedy, required)
    points = "one k-point" if found["scalapack"] else "two k-points"
    return Finding("MPI", State.OK, f"two processes share {points}", required=required)


def _trial(processes: int) -> tuple[dict[str, Any], str]:
    """Run the engine's smallest step; return what it printed and, where it failed, why."""
    from surfalign.workflows.engines.gpaw.engine_process import engine_environment
    from surfalign.workflows.engines.gpaw.machine import launch_command

    settings = _settings()
    try:
        command = launch_command(settings, processes, TRIAL)
    except SurfalignError as error:
        return {}, error.found
    with tempfile.TemporaryDirectory() as folder:
        output, problem = _run(command, engine_environment(settings), folder)
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if problem or not lines:
        return {}, problem or "no result was printed"
    found: dict[str, Any] = json.loads(lines[0])
    return found, ""


def _wanted_gpaw() -> str:
    """Return the release that pyproject.toml asks for, e.g. ``gpaw<26.8,>=26.7``."""
    wanted = importlib.metadata.requires("surfalign") or ()
    return next(line.partition(";")[0].strip() for line in wanted if line.startswith("gpaw"))


def _build_gpaw() -> str:
    """The command that builds GPAW with all that it can use."""
    configuration = files("surfalign.workflows.engines.gpaw") / "siteconfig.py"
    options = f"--force-reinstall --no-deps --no-cache-dir --no-binary gpaw '{_wanted_gpaw()}'"
    return (
        f"GPAW_CONFIG={configuration} {_pip(options)} "
        "(needs a C++ compiler, libxc, BLAS, FFTW, MPI and ScaLAPACK with their headers)"
    )


def check_datasets() -> Finding:
    """Check that PAW datasets can be written, and count those that are there."""
    from surfalign.workflows.engines.gpaw.datasets import FUNCTIONAL, dataset_directory

    directory = dataset_directory()
    writable = _existing(directory)
    if not os.access(writable, os.W_OK):
        detail = f"{writable} is not writable"
        remedy = f"chmod u+w {writable}, or name another folder in SURFALIGN_DATA_DIRECTORY"
        return Finding("PAW datasets", State.MISSING, detail, remedy)
    count = len(list(directory.glob(f"*.{FUNCTIONAL}"))) if directory.is_dir() else 0
    return Finding("PAW datasets", State.OK, f"{count} in {directory}, others made when needed")


def check_vasp() -> Finding:
    """Report whether a VASP command is known; the embedded engine does not need it."""
    command = os.environ.get("ATOMATE2_VASP_CMD") or shutil.which("vasp_std")
    if command is None:
        remedy = "export ATOMATE2_VASP_CMD='mpirun vasp_std', where you have a licence"
        return Finding("VASP", State.MISSING, "no command", remedy, required=False)
    return Finding("VASP", State.OK, command, required=False)


def check_potcars() -> Finding:
    """Report whether VASP's potentials are known to pymatgen."""
    from pymatgen.core import SETTINGS

    folder = os.environ.get("PMG_VASP_PSP_DIR") or SETTINGS.get("PMG_VASP_PSP_DIR")
    if not folder or not Path(folder).is_dir():
        detail = f"{folder} is not a folder" if folder else "no folder"
        remedy = "pmg config --add PMG_VASP_PSP_DIR FOLDER, where you have a licence"
        return Finding("POTCAR files", State.MISSING, detail, remedy, required=False)
    return Finding("POTCAR files", State.OK, str(folder), required=False)


# --- databases -------------------------------------------------------------------------------


def check_database_server() -> Finding:
    """Check that the local database server is installed; needed where no database is configured."""
    from surfalign.launchers.database.server import PROGRAM

    required = _settings().database_uri is None
    version = _version("SecantusDB")
    if version is None:
        remedy = _pip("'secantusdb>=0.7.0b3'") + ", or set SURFALIGN_DATABASE_URI"
        detail = f"SecantusDB ({PROGRAM}) is not installed"
        return Finding("local database server", State.MISSING, detail, remedy, required)
    return Finding("local database server", State.OK, f"SecantusDB {version}", required=required)


def check_database() -> Finding:
    """Check that the configured database answers, or that the local one can."""
    settings = _settings()
    return _local_database(settings) if settings.database_uri is None else _configured(settings)


def _local_database(settings: Settings) -> Finding:
    from surfalign.launchers.database import server

    found = server.status(settings)
    if found.answering:
        return Finding("database", State.OK, f"local, at {found.uri}")
    if found.running:
        detail = f"local, process {found.pid} does not answer; its log is {found.log_file}"
        return Finding("database", State.MISSING, detail, "surfalign db stop; surfalign db start")
    return Finding("database", State.OK, "local, started when needed (surfalign db start)")


def _configured(settings: Settings) -> Finding:
    from surfalign.stores.database import connect

    try:
        with connect(settings) as database:
            count = database.surface_levels.count()
    except SurfalignError as error:
        return Finding("database", State.MISSING, error.found, error.remedy)
    detail = f"{database.name} at {database.address} answers: {count} results"
    return Finding("database", State.OK, detail)


def check_materials_project() -> Finding:
    """Report whether ids of Materials Project can be used: the package and the key."""
    from surfalign.crystals.remote import materials_project_key

    version = _version("mp-api")
    problems, remedies = [], []
    if version is None:
        problems.append("mp-api is not installed")
        remedies.append(_pip("mp-api"))
    if materials_project_key() is None:
        problems.append("no API key")
        remedies.append("export MP_API_KEY=KEY (a key: https://materialsproject.org/api)")
    if problems:
        text, remedy = ", ".join(problems), "; ".join(remedies)
        return Finding("Materials Project", State.MISSING, text, remedy, required=False)
    return Finding("Materials Project", State.OK, f"mp-api {version}, API key", required=False)


# --- helpers ---------------------------------------------------------------------------------


def _settings() -> Settings:
    """Return the settings, or the defaults where they are invalid (which has its own check)."""
    try:
        return load_settings()
    except SurfalignError:
        return Settings.model_construct()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _import_problem(module: str) -> str:
    """Import a module in a process of its own; return the last line of its complaint."""
    code = f"import warnings; warnings.simplefilter('ignore'); import {module}"
    return _run([sys.executable, "-c", code], dict(os.environ))[1]


def _run(
    command: list[str], environment: dict[str, str], folder: str | None = None
) -> tuple[str, str]:
    """Run a command; return its output and, where it failed, why."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            env=environment,
            cwd=folder,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return "", f"no answer within {TIMEOUT:g} s"
    except OSError as error:
        return "", str(error)
    if done.returncode == 0:
        return done.stdout, ""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip(" -\n")]
    return done.stdout, lines[-1] if lines else f"exit status {done.returncode}"


def _existing(path: Path) -> Path:
    """Return the path or its nearest parent that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def _pip(what: str) -> str:
    return f"{sys.executable} -m pip install {what}"
