"""``surfalign status`` is asked for all day: it loads little and asks the database little."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import toy_engine
import yaml

from surfalign.crystals.sources import load_crystal
from surfalign.files import write_whole
from surfalign.launchers.cluster.launcher import open_launcher
from surfalign.launchers.cluster.profiles import load_profile
from surfalign.stores.database import Database
from surfalign.workflows.planning.plan_file import crystal_flow

#: What takes long to load, and is not needed for counting.
HEAVY = (
    "jobflow",
    "maggma",
    "fireworks",
    "jobflow_remote",
    "pymatgen",
    "numpy",
    "boto3",
    "paramiko",
)
#: Commands of a connection, not of a question.
CONNECTION = {"hello", "ping", "saslStart", "saslContinue", "endSessions", "createIndexes"}
#: Looks at a campaign as the command does, and tells what that took.
PROGRAM = """
import json, sys
from pymongo import monitoring
class Commands(monitoring.CommandListener):
    seen = []
    def started(self, event):
        target = event.command[event.command_name]
        self.seen.append([event.command_name, target if isinstance(target, str) else ""])
    def succeeded(self, event): pass
    def failed(self, event): pass
monitoring.register(Commands())
from surfalign.launchers.cli.main import app
app(["status", "--json", "--profile", sys.argv[1]], standalone_mode=False)
print(json.dumps({"modules": sorted(sys.modules), "commands": Commands.seen}))
"""


@pytest.fixture(params=["fireworks", "remote"])
def profile(
    request: pytest.FixtureRequest, database: Database, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, profile_content: Callable[..., dict[str, Any]],
) -> Path:  # fmt: skip
    """A campaign of one flow that waits."""
    pytest.importorskip({"remote": "jobflow_remote"}.get(request.param, request.param))
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(tmp_path / "data"))
    write_whole(tmp_path / "uri", os.environ["SURFALIGN_DATABASE_URI"], private=True)
    content = profile_content(request.param, {"uri_file": str(tmp_path / "uri")})
    path = tmp_path / "profile.yaml"
    path.write_text(yaml.safe_dump(content))
    crystal = load_crystal("MgO")
    surface = ("MgO(100)-A", (1, 0, 0))
    with open_launcher(load_profile(str(path))) as launcher:
        launcher.submit(
            [crystal_flow(crystal.structure, crystal.source, [surface], toy_engine.toy_engine())]
        )
    return path


@pytest.mark.filterwarnings("ignore:.*is deprecated, and will be removed:FutureWarning")
def test_status_loads_no_workflow_manager_and_scans_the_jobs_once(profile: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(profile)], capture_output=True, text=True, check=True
    )
    report, _, took = done.stdout.rstrip().rpartition("\n")
    assert json.loads(report)["steps"]["bulk"] == {"ready": 1}
    told = json.loads(took)
    loaded = {module.partition(".")[0] for module in told["modules"]}
    assert not loaded & set(HEAVY)

    commands = [command for command in told["commands"] if command[0] not in CONNECTION]
    jobs = {"fireworks", "remote_jobs"}
    # All jobs are counted in one pass; the others find those that run, or have stopped, by an index.
    assert [name for name, target in commands if target in jobs] == ["aggregate", "find", "find"]
    assert [name for name, target in commands if target == "campaign_surfaces"] == ["aggregate"]
    assert len(commands) <= 7
