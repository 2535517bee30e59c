"""``surfalign doctor --profile`` finds what is wrong with a site, by a job in each queue, and says what repairs it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from slurm_cluster import python_path
from troubled_slurm import TroubledSlurm

from surfalign.files import write_whole
from surfalign.launchers.cluster.profiles import load_profile
from surfalign.launchers.doctor import profile as profile_checks
from surfalign.launchers.doctor.installation import Finding, State, examine
from surfalign.stores.database import Database

pytestmark = pytest.mark.timeout(300)
NODE = str(Path(__file__).parents[2] / "doubles" / "compute_node")


@pytest.fixture
def look(
    troubled: TroubledSlurm, database: Database, profile_content: Callable[..., dict[str, Any]],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., dict[str, Finding]]:  # fmt: skip
    """Make the checks of one queue, with some values; quick ones alone, or all."""
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(tmp_path / "data"))
    write_whole(tmp_path / "uri.yaml", os.environ["SURFALIGN_DATABASE_URI"], private=True)
    (tmp_path / "work").mkdir()
    # Neither engine, if not said otherwise: their steps on a node take seconds.
    monkeypatch.setattr(profile_checks, "_has_gpaw", lambda engines: engines.gpaw is not None)

    def make(kind: str = "fireworks", engines: Any = None, **queue: Any) -> dict[str, Finding]:
        content = profile_content(kind, {"uri_file": str(tmp_path / "uri.yaml")})
        del content["queues"]["large"]
        content["steps"] = {"default": "small"}
        content["engines"] = engines or {}
        environment = {"PYTHONPATH": f"{NODE}:{python_path()}"} | queue.pop("environment", {})
        content["queues"]["small"] |= {"environment": environment, **queue}
        path = tmp_path / "site.yaml"
        path.write_text(yaml.safe_dump(content))
        chosen = profile_checks.all_checks(load_profile(str(path)))
        queues = {"queue small", "job in queue small"}
        return {name: examine(name, check) for name, check in chosen if name in queues}

    return make


@pytest.mark.parametrize(
    ("queue", "line"),
    [
        ({"modules": ["gcc/99"]}, "module load gcc/99"),
        ({"commands": ["source /nowhere/bin/activate"]}, "source /nowhere/bin/activate"),
    ],
)
def test_a_line_of_the_prologue_that_fails_is_named(
    look: Callable[..., dict[str, Finding]], queue: dict[str, Any], line: str
) -> None:
    finding = look("remote", **queue)["job in queue small"]
    assert finding.blocks
    assert finding.detail.startswith(f"this line failed: {line}; ")
    assert finding.remedy == "correct queues.small: modules or commands"


@pytest.mark.parametrize(
    ("complaint", "key"),
    [
        ("Batch job submission failed: Invalid account or account/partition combination specified", "account"),
        ("Batch job submission failed: Invalid qos specification", "qos"),
        ("Batch job submission failed: Memory required by task is not available", "memory"),
        ("*** You must ask for memory by --mem ***\\nsee the handbook", "memory"),
    ],
)  # fmt: skip
def test_what_sbatch_does_not_take_is_shown_whole_with_the_key(
    look: Callable[..., dict[str, Finding]], troubled: TroubledSlurm, complaint: str, key: str
) -> None:
    complaint = complaint.replace("\\n", "\n")
    troubled.begin("refused", f"sbatch: error: {complaint}\n")
    for finding in look(account="ab123", qos="long").values():
        assert finding.blocks
        assert complaint.replace("\n", "; ") in finding.detail
        assert key in finding.remedy


@pytest.mark.parametrize("queue", [{"memory": 900.0}, {"sbatch_options": {"mem-per-cpu": "900G"}}])
def test_memory_that_no_node_has_is_refused_by_slurm_itself(
    look: Callable[..., dict[str, Finding]], queue: dict[str, Any]
) -> None:
    finding = look(**queue)["queue small"]
    assert finding.blocks
    assert "SLURM refuses a job in partition 'cpu'" in finding.detail


def test_an_account_that_is_refused_only_in_the_queue_is_found_without_a_long_wait(
    look: Callable[..., dict[str, Finding]], troubled: TroubledSlurm
) -> None:
    # Sites that check accounts only when a job is to start; squeue gives the reason.
    program = troubled.bin / "squeue"
    program.write_text(program.read_text().replace('"$@"', '"$@" | sed s/JobHeldUser/InvalidQOS/'))
    troubled.begin("held")
    finding = look(qos="long")["job in queue small"]
    assert finding.blocks
    assert "still PENDING (InvalidQOS: its account or QOS is not accepted" in finding.detail
    assert finding.remedy.startswith("correct queues.small.qos; sacctmgr")


def test_a_database_that_the_node_does_not_reach_is_named_with_the_way_out(
    look: Callable[..., dict[str, Finding]],
) -> None:
    finding = look(environment={"TOY_NODE": "no route"})["job in queue small"]
    assert finding.blocks
    assert finding.detail.startswith("database: not reached from the compute node ")
    assert "127.0.0.1" in finding.detail
    assert "take the launcher 'remote'" in finding.remedy
    # jobflow-remote's jobs do not need it.
    remote = look("remote", environment={"TOY_NODE": "no route"})["job in queue small"]
    assert remote.state is State.OK


def test_programs_that_only_the_node_lacks_are_named(
    look: Callable[..., dict[str, Finding]], tmp_path: Path
) -> None:
    finding = look("remote", engines={"vasp": "vasp_std -x"})["job in queue small"]
    assert finding.detail == "VASP: the program 'vasp_std' is not found"
    program = tmp_path / "vasp_std"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    path = [f"export PATH={tmp_path}:$PATH"]
    assert look("remote", engines={"vasp": "vasp_std"}, commands=path)[
        "job in queue small"
    ].state is State.OK  # fmt: skip


def test_a_node_without_mpi_or_with_a_plain_gpaw_is_found(
    look: Callable[..., dict[str, Finding]],
) -> None:
    pytest.importorskip("gpaw", exc_type=ImportError)
    plain = look(
        "remote", {"gpaw": "env -n {cores}"}, tasks=2, environment={"TOY_NODE": "plain gpaw"}
    )["job in queue small"]  # fmt: skip
    assert "GPAW: " in plain.detail
    assert "built without FFTW and ScaLAPACK" in plain.detail
    assert "MPI: two processes fail" in plain.detail
    assert plain.blocks
    assert "GPAW_CONFIG=" in plain.remedy
    alone = look("remote", {"gpaw": "env"}, environment={"TOY_NODE": "plain gpaw"})
    assert alone["job in queue small"].state is State.WARNING
    no_mpi = look(
        "remote", {"gpaw": "mpirun -n {cores}"}, tasks=2, commands=["export PATH=/nowhere"],
        environment={"TOY_NODE": "plain gpaw"},
    )  # fmt: skip
    assert "No such file or directory: 'mpirun'" in no_mpi["job in queue small"].detail


def test_an_environment_without_surfalign_is_named(look: Callable[..., dict[str, Finding]]) -> None:
    finding = look("remote", commands=["export PYTHONPATH=", "export PYTHONSAFEPATH=1 PYTHONHOME=/nowhere"])["job in queue small"]  # fmt: skip
    assert finding.blocks
    assert "the job in partition cpu is FAILED; it said: " in finding.detail
