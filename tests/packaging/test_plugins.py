"""A package of its own adds an engine, a launcher and a learner, without a line changed here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import toy_engine
import yaml
from learning_data import toy_dataset

from surfalign.ml.data.datasets import write_dataset
from surfalign.stores.database import Database

pytestmark = pytest.mark.programs

DOUBLES = Path(__file__).parents[1] / "doubles"
#: An installed package may itself be run from another folder than this one.
SOURCES = Path(__file__).parents[2] / "src"
Surfalign = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the package was installed into."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation"]
    command += ["--no-index", "--disable-pip-version-check", "--target", str(folder)]
    subprocess.run([*command, str(DOUBLES / "plugin_package")], check=True, capture_output=True)
    return folder


@pytest.fixture
def surfalign(site: Path, tmp_path: Path) -> Surfalign:
    """The command line in a process that sees the package."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "surfalign.launchers.cli.main", *arguments],
            env=os.environ | {"PYTHONPATH": f"{SOURCES}{os.pathsep}{site}", "COLUMNS": "300"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_an_engine_of_another_package_computes_surfaces(
    surfalign: Surfalign, database: Database
) -> None:
    done = surfalign("run", "MgO", "--engine", "toy-plugin", "--json", "-")
    assert done.returncode == 0, done.stderr
    (document,) = json.loads(done.stdout)
    expected = toy_engine.STEP - toy_engine.VBM
    assert document["ionization_potential"] == pytest.approx(expected, abs=1e-3)
    assert database.surface_levels.count() == 1


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ("toy-absent", "cannot be imported: ModuleNotFoundError"),
        ("toy-signature", "does not take its arguments"),
        ("toy-unknown", "one of gpaw, vasp, toy-absent, toy-plugin, toy-signature"),
    ],
)
def test_a_broken_engine_is_named_when_it_is_used(
    surfalign: Surfalign, engine: str, message: str
) -> None:
    done = surfalign("run", "MgO", "--engine", engine)
    assert done.returncode == 1
    assert message in done.stderr
    if engine != "toy-unknown":
        assert "pip uninstall surfalign-toy-plugin" in done.stderr


def test_a_launcher_of_another_package_serves_a_profile(
    surfalign: Surfalign, tmp_path: Path, database: Database
) -> None:
    content = {
        "launcher": "toy-queue",
        "clusters": {"local": {"work_directory": str(tmp_path), "scheduler": "shell"}},
        "queues": {"all": {"partition": "cpu", "walltime": "1:00:00"}},
    }
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(content))
    done = surfalign("submit", "MgO", "--profile", "toy.yaml", "--engine", "toy-plugin")
    assert done.returncode == 0, done.stderr
    assert database.collection("campaign_surfaces").count_documents({}) == 1
    worked = surfalign("worker", "--profile", "toy.yaml", "--once")
    assert "one round of MemoryLauncher" in worked.stdout, worked.stderr
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(content | {"launcher": "airflow"}))
    refused = surfalign("submit", "MgO", "--profile", "toy.yaml")
    assert "'local', 'fireworks', 'remote', 'toy-queue'" in refused.stderr


def test_a_learner_of_another_package_is_trained_and_predicts(
    surfalign: Surfalign, tmp_path: Path
) -> None:
    dataset = toy_dataset(12)
    write_dataset(dataset, tmp_path / "toy.dataset.json.gz")
    options = ("--model", "medians", "--registry", str(tmp_path / "models"))
    trained = surfalign(
        "learn", "train", "--dataset", "toy.dataset.json.gz", "--kind", "toy-median", *options
    )
    assert trained.returncode == 0, trained.stderr
    done = surfalign("learn", "predict", "MgO", "--hkl", "1,0,0", "--json", "-", *options)
    (prediction,) = json.loads(done.stdout)
    labels = [label for record in dataset.records for label in record.labels]
    potentials = [label.value for label in labels if label.name == "ionization_potential"]
    assert min(potentials) <= prediction["ionization_potential"] <= max(potentials)
    # Without the package its models are refused by name.
    refused = subprocess.run(
        [sys.executable, "-m", "surfalign.launchers.cli.main", "learn", "predict", "MgO", *options],
        env=os.environ | {"PYTHONPATH": str(SOURCES), "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert "unknown kind of model 'toy-median'" in refused.stderr


def test_doctor_lists_the_parts_of_other_packages_and_the_broken_ones(
    surfalign: Surfalign,
) -> None:
    report = json.loads(surfalign("doctor", "--json").stdout)
    (finding,) = [check for check in report["checks"] if check["name"] == "plug-ins"]
    assert finding["state"] == "warning"
    for part in (
        "engine toy-plugin",
        "launcher toy-queue",
        "worker toy-queue",
        "kind of model toy-median",
    ):
        assert f"{part} (surfalign-toy-plugin 1.0)" in finding["detail"]
    assert "'gpaw' of the package surfalign-toy-plugin 1.0" in finding["detail"]
    assert "'toy-absent' of the package surfalign-toy-plugin 1.0" in finding["detail"]
    assert finding["remedy"].count("pip uninstall surfalign-toy-plugin") == 1
